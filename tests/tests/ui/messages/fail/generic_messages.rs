use resilient::Messages;

#[derive(Messages)]
enum Reply<T> {
    Told(T),
}

fn main() {}
