use resilient::Message;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Reserved<T> {
    amount: T,
}

fn main() {}
