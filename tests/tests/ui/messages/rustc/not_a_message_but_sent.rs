use resilient::{Runtime, resilient_fn};

#[derive(serde::Serialize, serde::Deserialize)]
struct Declined;

#[resilient_fn(type_id = "Order")]
async fn order(_: ()) {}

async fn call(runtime: &Runtime) {
    drop(order::send(runtime, "MK-1", Declined).await);
}

fn main() {}
