use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_lines: &mut Vec<u8>) {}

fn main() {}
