use resilient::resilient_fn;

#[resilient_fn(type_id = "Order\nMail")]
async fn f(_: ()) {}

fn main() {}
