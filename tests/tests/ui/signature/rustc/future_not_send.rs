use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(order: u32) -> u32 {
    let shared = std::rc::Rc::new(order);
    tokio::task::yield_now().await;
    *shared
}

fn main() {}
