use resilient::Message;
use serde::{Deserialize, Serialize};

const NAME: &str = "FundsReserved";

#[derive(Serialize, Deserialize, Message)]
#[message(name = NAME)]
struct Reserved;

fn main() {}
