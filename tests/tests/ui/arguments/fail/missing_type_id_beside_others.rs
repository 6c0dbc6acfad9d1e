use resilient::resilient_fn;

#[resilient_fn(version = 2, register = false)]
async fn send_mail(_mail: String) {}

fn main() {}
