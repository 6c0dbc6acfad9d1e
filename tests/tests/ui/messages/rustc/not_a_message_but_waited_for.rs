use resilient::prelude::*;

struct Declined;

#[resilient_fn(type_id = "Order")]
async fn order(_: (), context: &Context) -> resilient::Result<()> {
    let Declined = context.messages().next::<Declined>().await?;
    Ok(())
}

fn main() {}
