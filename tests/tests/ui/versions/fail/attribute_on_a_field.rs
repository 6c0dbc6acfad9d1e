use resilient::{Message, Scrapbook, Versioned};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, Scrapbook)]
pub struct Book {
    #[scrapbook(version = 2)]
    number: u32,
}

#[derive(Serialize, Deserialize, Versioned)]
pub enum Payment {
    #[versioned(version = 2)]
    Card(String),
}

#[derive(Serialize, Deserialize, Message)]
pub struct Paid {
    #[message(name = "Amount")]
    amount: u32,
}

fn main() {}
