#[derive(serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
pub struct Book {
    number: u32,
}

fn main() {}
