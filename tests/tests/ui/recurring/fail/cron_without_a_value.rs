use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", cron)]
async fn report(_: ()) {}

fn main() {}
