use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", backoff = 2))]
async fn order(_: ()) {}

fn main() {}
