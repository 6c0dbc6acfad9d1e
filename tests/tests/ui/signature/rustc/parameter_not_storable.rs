use resilient::resilient_fn;

pub struct Order;

#[resilient_fn(type_id = "Order")]
async fn f(_order: Order) {}

fn main() {}
