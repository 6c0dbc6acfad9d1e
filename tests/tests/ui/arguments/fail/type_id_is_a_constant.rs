use resilient::resilient_fn;

const ID: &str = "Order";

#[resilient_fn(type_id = ID)]
async fn f(_: ()) {}

fn main() {
    println!("{ID}");
}
