use resilient::resilient_fn;

pub struct Client;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _client: std::sync::Arc<Client>) {}

fn main() {}
