use resilient::resilient_fn;

#[resilient_fn(type_id = "Order")]
async fn f(_: ()) -> ! {
    loop {
        tokio::task::yield_now().await;
    }
}

fn main() {}
