use resilient::Messages;

struct Declined;

fn wait<M: Messages>() {}

fn main() {
    wait::<Declined>();
}
