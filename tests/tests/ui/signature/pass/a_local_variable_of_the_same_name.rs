use resilient::{InvokeError, Runtime, resilient_fn};

#[resilient_fn(type_id = "ui.LocalVariable")]
async fn total(number: u32) -> u32 {
    number
}

async fn call(runtime: &Runtime) -> Result<u32, InvokeError> {
    let total = total::invoke(runtime, "1", 7).await?;
    Ok(total + total::VERSION)
}

const _: fn(&'static Runtime) = |runtime| drop(call(runtime));
