use resilient::{Context, resilient_fn};

#[resilient_fn(type_id = "Order")]
async fn f(_context: &Context, _order: u32) {}

fn main() {}
