use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    price: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    items: Vec<Item>,
    rates: BTreeMap<String, f32>,
    state: State,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum State {
    Open,
    Paid(f64),
    Split(f64, f64),
    Refunded { amount: f64 },
}

fn item(price: f64) -> Item {
    Item { name: "tea".to_owned(), price }
}

fn order(state: State) -> Order {
    Order { items: (0..4).map(|n| item(f64::from(n))).collect(), rates: BTreeMap::new(), state }
}

fn refused(value: &(impl Serialize + ?Sized)) -> (String, Problem) {
    let error = encode(1, value).expect_err("refused");
    (error.field(), error.problem().clone())
}

fn nan() -> Problem {
    Problem::NotFinite { value: "NaN".to_owned() }
}

#[test]
fn what_is_accepted_is_read_back() {
    let mut value = order(State::Split(0.1 + 0.2, -0.0));
    value.rates.insert("EUR \"é\"".to_owned(), 1.1);
    let payload = encode(3, &value).unwrap();
    assert_eq!(payload.version, 3);
    assert_eq!(decode::<Order>(&payload).unwrap(), value);
}

#[test]
fn the_field_of_a_nan_is_named_with_its_index() {
    let mut value = order(State::Open);
    value.items.insert(3, item(f64::NAN));
    assert_eq!(refused(&value), ("items[3].price".to_owned(), nan()));
    let error = encode(1, &value).unwrap_err().to_string();
    assert!(error.contains("Order` cannot be stored: `items[3].price` is NaN"), "{error}");
}

#[test]
fn variants_and_keys_are_part_of_the_way() {
    assert_eq!(refused(&order(State::Paid(f64::NAN))).0, "state.Paid");
    assert_eq!(refused(&order(State::Split(0.0, f64::NAN))).0, "state.Split[1]");
    assert_eq!(refused(&order(State::Refunded { amount: f64::NAN })).0, "state.Refunded.amount");
    let mut value = order(State::Open);
    value.rates.insert("EUR".to_owned(), f32::INFINITY);
    let infinite = Problem::NotFinite { value: "inf".to_owned() };
    assert_eq!(refused(&value), ("rates[\"EUR\"]".to_owned(), infinite));
}

#[test]
fn nul_is_refused_in_values_and_keys() {
    assert_eq!(refused("a\0b"), (String::new(), Problem::Nul { at: 1 }));
    assert_eq!(refused(&'\0'), (String::new(), Problem::Nul { at: 0 }));
    assert_eq!(refused(&BTreeMap::from([("\0", 1)])).1, Problem::Nul { at: 0 });
    assert_eq!(refused(&json!({"a": ["x\0"]})).0, "[\"a\"][0]");
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn a_hundred_levels_are_read_back_and_one_more_is_refused() {
    let payload = encode(1, &nested(MAX_DEPTH)).unwrap();
    assert_eq!(decode::<Value>(&payload).unwrap(), nested(MAX_DEPTH));
    assert_eq!(refused(&nested(MAX_DEPTH + 1)).1, Problem::TooDeep);
}

#[test]
fn variants_count_the_levels_that_json_adds() {
    #[derive(Serialize, Deserialize)]
    enum Chain {
        End,
        Next { inner: Box<Self> },
    }
    let chain = |length| (0..length).fold(Chain::End, |inner, _| Chain::Next { inner: Box::new(inner) });
    let payload = encode(1, &chain(50)).unwrap();
    assert!(decode::<Chain>(&payload).is_ok());
    assert_eq!(refused(&chain(51)).1, Problem::TooDeep);
}

#[test]
fn a_value_of_any_depth_is_refused_and_never_overflows_the_stack() {
    #[derive(Serialize)]
    struct Endless<'a>(&'a [Self]);
    let mut levels: Vec<Vec<Endless<'static>>> = Vec::new();
    for _ in 0..1_000 {
        let inner = levels.pop().unwrap_or_default();
        levels.push(vec![Endless(inner.leak())]);
    }
    assert_eq!(refused(&levels).1, Problem::TooDeep);
}

#[test]
fn integers_beyond_64_bits_are_refused() {
    assert!(encode(1, &i128::from(i64::MIN)).is_ok());
    assert!(encode(1, &u128::from(u64::MAX)).is_ok());
    let beyond = u128::from(u64::MAX) + 1;
    assert_eq!(refused(&beyond).1, Problem::TooLarge { value: beyond.to_string() });
    assert_eq!(refused(&i128::MIN).1, Problem::TooLarge { value: i128::MIN.to_string() });
}

#[test]
fn only_keys_that_come_back_are_accepted() {
    assert!(encode(1, &BTreeMap::from([(1_u8, 1)])).is_ok());
    assert!(encode(1, &BTreeMap::from([(true, 1)])).is_ok());
    assert!(encode(1, &BTreeMap::from([('x', 1)])).is_ok());
    assert_eq!(refused(&BTreeMap::from([((1, 2), 1)])).1, Problem::Key { kind: "a tuple" });
    assert_eq!(refused(&BTreeMap::from([(Some(1), 1)])).1, Problem::Key { kind: "an `Option`" });
    assert_eq!(refused(&BTreeMap::from([((), 1)])).1, Problem::Key { kind: "`()`" });
}

#[test]
fn some_of_null_is_refused_because_it_comes_back_as_none() {
    assert!(encode(1, &Some(1)).is_ok());
    assert!(encode(1, &None::<u8>).is_ok());
    assert_eq!(refused(&Some(())).1, Problem::SomeNull);
    assert_eq!(refused(&vec![Some(None::<u8>)]), ("[0]".to_owned(), Problem::SomeNull));
}

#[test]
fn a_type_that_refuses_to_be_written_is_named() {
    struct Secret;
    impl Serialize for Secret {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("secrets stay in memory"))
        }
    }
    let (field, problem) = refused(&(1, Secret));
    assert_eq!((field.as_str(), problem), ("[1]", Problem::Refused("secrets stay in memory".to_owned())));
}
