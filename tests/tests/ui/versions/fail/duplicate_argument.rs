#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 1)]
#[scrapbook(version = 1)]
pub struct Book {
    number: u32,
}

fn main() {}
