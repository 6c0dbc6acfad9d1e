#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
pub struct Book<T> {
    pages: Vec<T>,
}

fn main() {}
