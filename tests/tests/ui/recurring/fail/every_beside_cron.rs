use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "1h", cron = "0 * * * *")]
async fn report(_: ()) {}

fn main() {}
