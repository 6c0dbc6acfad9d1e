use resilient::resilient_fn;

#[resilient_fn(typeid = "Order")]
async fn f(_: ()) {}

fn main() {}
