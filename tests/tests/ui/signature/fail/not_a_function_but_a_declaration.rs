use resilient::resilient_fn;

trait Orders {
    #[resilient_fn(type_id = "Order")]
    fn process(number: u32);
}

fn main() {}
