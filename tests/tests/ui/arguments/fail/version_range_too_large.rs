use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", version = 2147483648)]
async fn f(_: ()) {}

fn main() {}
