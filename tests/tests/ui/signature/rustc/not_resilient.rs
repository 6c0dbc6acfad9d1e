use resilient::ResilientFn;

pub struct Plain;

fn needs<F: ResilientFn>() {}

fn main() {
    needs::<Plain>();
}
