use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
mod orders {}

fn main() {}
