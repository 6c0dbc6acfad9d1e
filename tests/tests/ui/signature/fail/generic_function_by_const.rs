use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f<const N: usize>(_order: [u8; N]) {}

fn main() {}
