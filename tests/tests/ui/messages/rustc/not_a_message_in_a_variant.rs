use resilient::{Message, Messages};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Reserved;

#[derive(Serialize, Deserialize)]
struct Declined;

#[derive(Messages)]
enum Reply {
    Reserved(Reserved),
    Declined(Declined),
    Asked(String),
}

fn main() {}
