use resilient::Messages;

#[derive(Messages)]
union Reply {
    number: u32,
}

fn main() {}
