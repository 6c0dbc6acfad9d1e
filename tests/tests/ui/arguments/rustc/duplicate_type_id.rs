mod a {
    #[resilient::resilient_fn(type_id = "Order")]
    pub async fn f(_order: u32) {}
}
mod b {
    #[resilient::resilient_fn(type_id = "Order")]
    pub async fn g(_order: u32) {}
}

fn main() {}
