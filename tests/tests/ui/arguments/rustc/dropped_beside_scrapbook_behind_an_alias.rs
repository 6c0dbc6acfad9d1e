use resilient::prelude::*;

#[derive(Default, serde::Serialize, serde::Deserialize, Scrapbook)]
struct Book {
    number: u32,
}

type Progress<'a> = &'a mut Scrapbook<Book>;

#[resilient_fn(type_id = "Order", dropped_scrapbook = 2)]
async fn order(_: (), _progress: Progress<'_>, _context: &Context) {}

fn main() {}
