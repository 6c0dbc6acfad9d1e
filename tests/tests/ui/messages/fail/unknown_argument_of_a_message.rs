use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(channel = "bank")]
struct Reserved;

fn main() {}
