use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", dropped_scrapbook = 0)]
async fn order(_: ()) {}

fn main() {}
