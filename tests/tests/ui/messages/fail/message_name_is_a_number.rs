use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = 7)]
struct Reserved;

fn main() {}
