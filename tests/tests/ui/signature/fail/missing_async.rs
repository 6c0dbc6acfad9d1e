use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
pub fn f(number: u32) -> u32 {
    number
}

fn main() {}
