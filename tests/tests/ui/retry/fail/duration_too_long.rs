use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", max_delay = "400000d"))]
async fn order(_: ()) {}

fn main() {}
