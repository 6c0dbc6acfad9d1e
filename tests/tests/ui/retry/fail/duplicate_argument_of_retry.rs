use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", first = "2s"))]
async fn order(_: ()) {}

fn main() {}
