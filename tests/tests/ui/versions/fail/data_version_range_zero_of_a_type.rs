#[derive(serde::Serialize, serde::Deserialize)]
pub struct BookV0;

#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 1, v0 = BookV0)]
pub struct Book {
    number: u32,
}

fn main() {}
