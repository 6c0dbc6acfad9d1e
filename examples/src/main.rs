//! The order-processing demo.
fn main() {}
