use resilient::resilient_fn;

#[resilient_fn(type_id = 7)]
async fn f(_: ()) {}

fn main() {}
