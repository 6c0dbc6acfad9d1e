use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", factor = 2, step = "1s"))]
async fn order(_: ()) {}

fn main() {}
