use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", version =)]
async fn f(_: ()) {}

fn main() {}
