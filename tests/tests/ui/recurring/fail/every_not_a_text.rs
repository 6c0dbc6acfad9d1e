use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = 60)]
async fn report(_: ()) {}

fn main() {}
