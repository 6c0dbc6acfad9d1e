use resilient::resilient_fn;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    number: u32,
}

#[resilient_fn(type_id = "ui.Patterns")]
async fn patterns(Order { number }: Order) -> u32 {
    number
}

#[resilient_fn(type_id = "ui.Mutable")]
async fn mutable(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

#[resilient_fn(type_id = "ui.Tuple")]
async fn tuple((a, b): (u32, u32)) -> (u32, Option<u32>) {
    (a + b, a.checked_sub(b))
}
