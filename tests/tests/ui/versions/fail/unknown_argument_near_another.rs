#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(versoin = 1, oldestt = 1)]
pub struct Book {
    number: u32,
}

fn main() {}
