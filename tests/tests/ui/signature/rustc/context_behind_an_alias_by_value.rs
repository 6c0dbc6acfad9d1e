use resilient::resilient_fn;

type Ctx = resilient::Context;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _context: Ctx) {}

fn main() {}
