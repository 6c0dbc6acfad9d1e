use resilient::resilient_fn;

#[resilient_fn(type_id = "Report", every = "1h")]
async fn report(customer: u32) {
    let _ = customer;
}

fn main() {}
