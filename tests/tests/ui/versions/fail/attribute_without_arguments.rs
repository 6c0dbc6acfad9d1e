#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook]
pub struct Book {
    number: u32,
}

fn main() {}
