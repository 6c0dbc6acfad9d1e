use resilient::resilient_fn;

#[resilient_fn(type_id)]
async fn f(_: ()) {}

fn main() {}
