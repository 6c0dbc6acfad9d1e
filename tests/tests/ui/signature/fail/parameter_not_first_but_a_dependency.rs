use resilient::{Dep, resilient_fn};

#[resilient_fn(type_id = "Order")]
async fn f(_client: Dep<String>) {}

fn main() {}
