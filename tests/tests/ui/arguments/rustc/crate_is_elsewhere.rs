#[resilient::resilient_fn(type_id = "Order", crate = durable)]
async fn f(_order: u32) {}

fn main() {}
