use resilient::{Message, Messages};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Reserved;

#[derive(Serialize, Deserialize, Message)]
struct Declined;

#[derive(Messages)]
enum Reply {
    Both(Reserved, Declined),
}

fn main() {}
