#[derive(serde::Serialize, serde::Deserialize, resilient::Versioned)]
#[versioned(version = 9999999999, oldest = 2147483647)]
pub struct Order {
    number: u32,
}

fn main() {}
