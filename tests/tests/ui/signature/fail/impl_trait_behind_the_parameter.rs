use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _count: Option<impl Fn() -> u32>) {}

fn main() {}
