use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async unsafe fn f(_: ()) {}

fn main() {}
