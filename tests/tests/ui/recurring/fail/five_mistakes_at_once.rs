use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "soon", cron = "now", timezone = "", missed = true)]
async fn report(_: ()) {}

fn main() {}
