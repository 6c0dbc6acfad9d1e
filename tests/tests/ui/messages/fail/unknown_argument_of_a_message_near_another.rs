use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(nmae = "FundsReserved")]
struct Reserved;

fn main() {}
