use resilient::{Dep, resilient_fn};

pub trait Bank: Send + Sync {}

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _bank: &Dep<dyn Bank>) {}

fn main() {}
