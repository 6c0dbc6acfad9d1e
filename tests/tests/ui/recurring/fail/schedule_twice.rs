use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "1h", every = "2h")]
async fn report(_: ()) {}

fn main() {}
