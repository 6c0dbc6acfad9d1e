use resilient::resilient_fn;

pub struct Declined;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32) -> Result<u32, Declined> {
    Err(Declined)
}

fn main() {}
