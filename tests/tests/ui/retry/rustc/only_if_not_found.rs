use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", only_if = is_transient))]
async fn order(_: ()) {}

fn main() {}
