use resilient::{Message, Messages};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Reserved;

#[derive(Serialize, Deserialize, Message)]
struct Declined;

#[derive(Messages)]
#[messages(name = "Reply")]
enum Reply {
    Reserved(Reserved),
    Declined(Declined),
}

fn main() {}
