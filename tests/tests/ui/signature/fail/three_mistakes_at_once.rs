use resilient::resilient_fn;

#[resilient_fn(type_id = "", retry = 3)]
pub fn f(_text: &str) {}

fn main() {}
