#[derive(serde::Serialize, serde::Deserialize)]
pub struct BookV1 {
    number: u8,
}

#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(v1 = BookV1)]
pub struct Book {
    number: u32,
}

fn main() {}
