#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook = 1]
pub struct Book {
    number: u32,
}

fn main() {}
