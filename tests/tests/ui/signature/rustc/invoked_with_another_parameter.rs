use resilient::{Runtime, resilient_fn};

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32) {}

async fn call(runtime: &Runtime) {
    let _ = f::invoke(runtime, "1", "text").await;
}

fn main() {
    let _ = call;
}
