use resilient::{Message, Messages};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "FundsReserved")]
struct Reserved;

#[derive(Serialize, Deserialize, Message)]
struct FundsReserved;

#[derive(Messages)]
enum Reply {
    Reserved(Reserved),
    Again(FundsReserved),
}

fn main() {}
