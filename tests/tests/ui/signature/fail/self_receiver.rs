use resilient::resilient_fn;

struct Service;

impl Service {
    #[resilient_fn(type_id = "Order")]
    pub async fn f(&self, _order: u32) {}
}

fn main() {
    let _ = Service;
}
