use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", cron = "0 2 * * MON;TUE")]
async fn report(_: ()) {}

fn main() {}
