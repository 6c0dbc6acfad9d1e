use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "hourly")]
async fn report(_: ()) {}

fn main() {}
