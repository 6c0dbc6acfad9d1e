#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 2, oldest = 3)]
pub struct Book {
    number: u32,
}

fn main() {}
