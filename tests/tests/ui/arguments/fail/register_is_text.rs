use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", register = "no")]
async fn f(_: ()) {}

fn main() {}
