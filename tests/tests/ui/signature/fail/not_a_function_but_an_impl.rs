use resilient::resilient_fn;

struct Service;

#[resilient_fn(type_id = "Order")]
impl Service {
    pub async fn process(_: u32) {}
}

fn main() {
    let _ = Service;
}
