use resilient::{Message, Messages, Runtime};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
#[message(name = "")]
struct Reserved;

#[derive(Messages)]
enum Reply {
    Reserved(Reserved),
    Nothing,
}

fn wait<M: Messages>() {}

#[resilient::resilient_fn(type_id = "Order")]
async fn order(_: ()) {
    wait::<Reply>();
    wait::<Reserved>();
}

async fn call(runtime: &Runtime) {
    drop(order::send(runtime, "MK-1", Reserved).await);
}

fn main() {}
