use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "FundsReserved ")]
struct Reserved;

fn main() {}
