use resilient::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, Scrapbook)]
pub struct Book {
    parcel: String,
}

async fn ship() -> resilient::Result<String> {
    Ok("parcel".to_owned())
}

#[resilient_fn(type_id = "Order")]
async fn order(_: (), book: &mut Scrapbook<Book>) -> resilient::Result<()> {
    book.at_most_once(|book| &mut book.parcel, ship).await?;
    Ok(())
}

fn main() {}
