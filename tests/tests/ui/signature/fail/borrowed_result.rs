use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_order: u32) -> &'static str {
    "done"
}

fn main() {}
