use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32) -> &'static [u8] {
    b"done"
}

fn main() {}
