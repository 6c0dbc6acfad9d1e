use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message("FundsReserved")]
struct Reserved;

fn main() {}
