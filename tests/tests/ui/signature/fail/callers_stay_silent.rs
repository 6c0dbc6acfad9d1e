use resilient::{InvokeError, Runtime, resilient_fn};

#[resilient_fn(type_id = "Order")]
fn process_order(number: u32) -> u32 {
    number
}

async fn call(runtime: &Runtime) -> Result<u32, InvokeError> {
    process_order::invoke(runtime, "MK-1", 1).await
}

fn main() {
    let _ = call;
}
