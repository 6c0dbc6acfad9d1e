use resilient::prelude::*;

#[derive(Message)]
pub struct Paid {
    amount: u32,
}

#[resilient_fn(type_id = "Order")]
async fn order(_: (), context: &Context) -> resilient::Result<u32> {
    Ok(context.messages().next::<Paid>().await?.amount)
}

fn main() {}
