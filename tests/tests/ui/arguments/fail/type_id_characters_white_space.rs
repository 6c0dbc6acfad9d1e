use resilient::resilient_fn;

#[resilient_fn(type_id = "Order ")]
async fn f(_: ()) {}

fn main() {}
