use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "Funds\0Reserved")]
struct Reserved;

fn main() {}
