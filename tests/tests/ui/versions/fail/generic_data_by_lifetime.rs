#[derive(serde::Serialize, serde::Deserialize, resilient::Versioned)]
pub struct Order<'a> {
    text: &'a str,
}

fn main() {}
