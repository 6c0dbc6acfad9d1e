use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "1s", only_if = |_| true))]
async fn order(_: ()) {}

fn main() {}
