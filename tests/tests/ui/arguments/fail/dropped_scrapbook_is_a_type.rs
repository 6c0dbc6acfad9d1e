use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", dropped_scrapbook = Book)]
async fn order(_: ()) {}

fn main() {}
