use resilient::resilient_fn;

#[resilient_fn(type_id = "Order", handle = handles::ProcessOrder)]
async fn f(_: ()) {}

fn main() {}
