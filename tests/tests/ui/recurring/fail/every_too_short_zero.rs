use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "0s")]
async fn report(_: ()) {}

fn main() {}
