use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(number: u32) -> Result<impl Send, String> {
    Ok(number)
}

fn main() {}
