use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry = "1s")]
async fn order(_: ()) {}

fn main() {}
