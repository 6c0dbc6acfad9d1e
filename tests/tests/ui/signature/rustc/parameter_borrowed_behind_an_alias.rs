use resilient::resilient_fn;

type Name = &'static str;

#[resilient_fn(type_id = "Order")]
async fn f(_name: Name) {}

fn main() {}
