use resilient::resilient_fn;

struct Service;

impl Service {
    #[resilient_fn(type_id = "Order")]
    pub async fn f(self) {}
}

fn main() {
    let _ = Service;
}
