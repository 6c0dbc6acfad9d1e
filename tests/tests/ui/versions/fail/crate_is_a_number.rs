#[derive(serde::Serialize, serde::Deserialize, resilient::Versioned)]
#[versioned(version = 1, crate = 7)]
pub struct Order {
    number: u32,
}

fn main() {}
