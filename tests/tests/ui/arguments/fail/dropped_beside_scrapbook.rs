use resilient::prelude::*;

#[derive(Default, serde::Serialize, serde::Deserialize, Scrapbook)]
struct Book {
    number: u32,
}

#[resilient_fn(type_id = "Order", dropped_scrapbook = 2)]
async fn order(_: (), _scrapbook: &mut Scrapbook<Book>) {}

fn main() {}
