use resilient::Messages;

#[derive(Messages)]
struct Reply {
    text: String,
}

fn main() {}
