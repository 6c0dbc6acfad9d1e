use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", version = 2, version = 3)]
async fn f(_: ()) {}

fn main() {}
