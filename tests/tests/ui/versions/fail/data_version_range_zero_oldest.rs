#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 1, oldest = 0)]
pub struct Book {
    number: u32,
}

fn main() {}
