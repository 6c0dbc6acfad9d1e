use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "FundsReserved", name = "Reserved")]
struct Reserved;

fn main() {}
