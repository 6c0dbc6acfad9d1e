use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", crate = "durable")]
async fn f(_: ()) {}

fn main() {}
