use resilient::resilient_fn;

#[resilient_fn("OrderProcessor")]
async fn f(_: ()) {}

fn main() {}
