use resilient::{Context, resilient_fn};

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _context: Context) {}

fn main() {}
