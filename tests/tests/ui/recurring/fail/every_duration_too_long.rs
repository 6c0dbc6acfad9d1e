use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "365251d")]
async fn report(_: ()) {}

fn main() {}
