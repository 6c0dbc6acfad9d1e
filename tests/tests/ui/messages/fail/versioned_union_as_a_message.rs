use resilient::Message;

#[derive(Message)]
union Reserved {
    number: u32,
}

fn main() {}
