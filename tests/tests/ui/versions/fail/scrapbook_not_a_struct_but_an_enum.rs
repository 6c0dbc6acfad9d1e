#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
pub enum Book {
    #[default]
    Empty,
    Full,
}

fn main() {}
