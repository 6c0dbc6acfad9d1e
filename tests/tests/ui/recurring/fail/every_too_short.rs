use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "500ms")]
async fn report(_: ()) {}

fn main() {}
