use resilient::{Dep, resilient_fn};

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _count: Dep<std::cell::Cell<u32>>) {}

fn main() {}
