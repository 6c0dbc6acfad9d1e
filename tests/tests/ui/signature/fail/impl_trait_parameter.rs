use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_order: impl Send) {}

fn main() {}
