use resilient::{Message, Messages};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Reserved;

#[derive(Serialize, Deserialize, Message)]
struct Declined;

#[derive(Messages)]
enum Reply {
    Reserved { message: Reserved },
    Declined(Declined),
}

fn main() {}
