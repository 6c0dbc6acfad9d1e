use resilient::{Scrapbook, resilient_fn};

#[derive(Default, Scrapbook)]
pub struct Book {
    number: u32,
}

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32, book: &mut Scrapbook<Book>) {
    book.number += 1;
}

fn main() {}
