#[derive(serde::Serialize, serde::Deserialize, resilient::Versioned)]
#[versioned(version = 100)]
pub struct Order {
    number: u32,
}

fn main() {}
