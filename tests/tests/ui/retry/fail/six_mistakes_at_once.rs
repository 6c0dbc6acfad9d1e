use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retry(first = "soon", factor = 0, max_tries = 0, jitter = 2, tries = 3), verison = 2)]
async fn order(_: ()) {}

fn main() {}
