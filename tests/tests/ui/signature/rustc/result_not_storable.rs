use resilient::resilient_fn;

pub struct Receipt;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32) -> resilient::Result<Receipt> {
    Ok(Receipt)
}

fn main() {}
