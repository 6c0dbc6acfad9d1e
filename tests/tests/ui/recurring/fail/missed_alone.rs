use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", missed = "every")]
async fn report(_: ()) {}

fn main() {}
