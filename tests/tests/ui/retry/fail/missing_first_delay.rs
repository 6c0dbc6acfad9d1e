use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(max_tries = 5))]
async fn order(_: ()) {}

fn main() {}
