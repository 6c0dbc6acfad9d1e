use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first))]
async fn order(_: ()) {}

fn main() {}
