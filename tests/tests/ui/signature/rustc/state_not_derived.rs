use resilient::{Scrapbook, resilient_fn};

#[derive(Default, serde::Serialize, serde::Deserialize)]
pub struct Book {
    number: u32,
}

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, _book: &mut Scrapbook<Book>) {}

fn main() {}
