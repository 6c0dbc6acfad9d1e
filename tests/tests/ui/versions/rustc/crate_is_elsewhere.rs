#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 1, crate = durable)]
pub struct Book {
    number: u32,
}

fn main() {}
