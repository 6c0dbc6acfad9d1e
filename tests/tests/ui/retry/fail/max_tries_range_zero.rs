use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", max_tries = 0))]
async fn order(_: ()) {}

fn main() {}
