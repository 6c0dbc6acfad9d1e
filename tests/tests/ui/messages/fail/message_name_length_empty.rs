use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "")]
struct Reserved;

fn main() {}
