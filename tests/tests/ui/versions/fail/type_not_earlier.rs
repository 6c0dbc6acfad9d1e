#[derive(serde::Serialize, serde::Deserialize)]
pub struct BookV2 {
    number: u8,
}

#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 2, oldest = 2, v2 = BookV2)]
pub struct Book {
    number: u32,
}

fn main() {}
