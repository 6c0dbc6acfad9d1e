use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_text: &str) {}

fn main() {}
