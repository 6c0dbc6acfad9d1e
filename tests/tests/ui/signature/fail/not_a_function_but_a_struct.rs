use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
struct Order;

fn main() {}
