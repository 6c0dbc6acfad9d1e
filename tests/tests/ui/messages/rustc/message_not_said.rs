use resilient::prelude::*;

#[resilient_fn(type_id = "Order")]
async fn order(_: (), context: &Context) -> resilient::Result<()> {
    let _reply = context.messages().next().await?;
    Ok(())
}

fn main() {}
