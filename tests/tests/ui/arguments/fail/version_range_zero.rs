use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", version = 0)]
async fn f(_: ()) {}

fn main() {}
