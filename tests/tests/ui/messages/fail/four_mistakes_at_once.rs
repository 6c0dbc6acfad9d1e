use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "", version = 0, topic = "bank", v1 = "ReservedV1")]
struct Reserved;

fn main() {}
