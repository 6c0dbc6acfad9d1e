use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_lines: &[(String, u8)]) {}

fn main() {}
