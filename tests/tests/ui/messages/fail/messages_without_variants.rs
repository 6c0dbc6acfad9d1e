use resilient::Messages;

#[derive(Messages)]
enum Reply {}

fn main() {}
