use resilient::resilient_fn;

#[resilient_fn(type_id = concat!("Order", ".v2"))]
async fn f(_: ()) {}

fn main() {}
