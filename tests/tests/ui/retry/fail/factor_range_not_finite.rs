use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", factor = 1e400))]
async fn order(_: ()) {}

fn main() {}
