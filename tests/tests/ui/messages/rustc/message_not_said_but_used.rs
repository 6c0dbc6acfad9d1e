use resilient::prelude::*;

#[resilient_fn(type_id = "Order")]
async fn order(_: (), context: &Context) -> resilient::Result<u32> {
    let reply = context.messages().next().await?;
    Ok(reply.amount)
}

fn main() {}
