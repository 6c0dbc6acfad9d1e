use resilient::resilient_fn;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order;

#[resilient_fn(type_id = "Order")]
pub async fn f(_order: Order) {}

fn main() {}
