use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "1h", missed = "all")]
async fn report(_: ()) {}

fn main() {}
