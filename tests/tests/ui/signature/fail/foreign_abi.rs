use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async extern "C" fn f(_: ()) {}

fn main() {}
