use resilient::{Scrapbook, resilient_fn};

#[derive(Default, serde::Serialize, serde::Deserialize, Scrapbook)]
pub struct Book {
    number: u32,
}

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _book: Book) {}

fn main() {}
