#[derive(resilient::Versioned)]
pub union Order {
    pub number: u32,
}

fn main() {}
