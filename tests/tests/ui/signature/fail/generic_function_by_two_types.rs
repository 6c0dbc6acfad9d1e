use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f<'a, A, B: Send>(_order: (A, B)) {}

fn main() {}
