mod process_order {
    #[resilient::resilient_fn(type_id = "Order")]
    pub async fn process_order(_order: u32) {}
}
pub use process_order::process_order;

fn main() {}
