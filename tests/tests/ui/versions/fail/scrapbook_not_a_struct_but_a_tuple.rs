#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
pub struct Book(u32, String);

fn main() {}
