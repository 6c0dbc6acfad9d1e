use resilient::resilient_fn;

#[resilient_fn]
async fn process_order(_order: u32) {}

fn main() {}
