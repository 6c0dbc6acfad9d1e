use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", retries = 3)]
async fn f(_: ()) {}

fn main() {}
