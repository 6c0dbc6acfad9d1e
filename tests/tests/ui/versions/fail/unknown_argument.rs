#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 1, previous = BookV1)]
pub struct Book {
    number: u32,
}

fn main() {}
