use resilient::{Scrapbook, resilient_fn};

#[derive(Default, serde::Serialize, serde::Deserialize, Scrapbook)]
#[scrapbook(version = 2)]
pub struct Book {
    number: u32,
}

#[resilient_fn(type_id = "Order")]
pub async fn f(_order: u32, book: &mut Scrapbook<Book>) -> resilient::Result<u32> {
    book.save().await?;
    Ok(book.number)
}

fn main() {}
