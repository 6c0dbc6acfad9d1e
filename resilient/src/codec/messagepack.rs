//! JSON as MessagePack, and back.
//!
//! The text goes through a tree that keeps what JSON has and nothing else: fields in their order, also twice the same,
//! and each number as the integer or the float that it is written as.

use std::fmt;

use rmp_serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use super::{Codec, CodecError, Place};

/// Stores data as MessagePack, which is shorter than JSON for most data and cannot be read in the database.
///
/// What comes back means the same: fields keep their order, integers of 64 bits and floats their value. What is no
/// MessagePack of JSON, or has something behind it, is refused.
///
/// ```
/// use resilient::codec::MessagePack;
/// # use resilient::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(InMemoryStore::new()).codec(MessagePack).start().await?;
/// # runtime.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessagePack;

/// As many levels as JSON readers take, also of what was edited by hand; more could overflow the stack.
const MAX_LEVELS: usize = 128;

impl Codec for MessagePack {
    fn name(&self) -> &'static str {
        "messagepack"
    }

    fn encode(&self, json: &str, _: &Place<'_>) -> Result<Vec<u8>, CodecError> {
        let node: Node = serde_json::from_str(json).map_err(refused)?;
        rmp_serde::to_vec(&node).map_err(refused)
    }

    fn decode(&self, stored: &[u8], _: &Place<'_>) -> Result<String, CodecError> {
        let mut reader = Deserializer::new(stored);
        reader.set_max_depth(MAX_LEVELS);
        let node =
            Node::deserialize(&mut reader).map_err(|_| CodecError::new("it is no MessagePack of JSON"))?;
        if !reader.get_ref().is_empty() {
            return Err(CodecError::new("it has bytes behind its end"));
        }
        serde_json::to_string(&node).map_err(refused)
    }
}

fn refused(error: impl fmt::Display) -> CodecError {
    CodecError::new(error.to_string())
}

/// A value of JSON.
#[derive(Debug)]
enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    /// In the order of the text, in which a user's map may have its meaning.
    Map(Vec<(String, Self)>),
}

impl Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(nodes) => nodes.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Takes what JSON has; what MessagePack has beside it is refused.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Signed(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        // JSON would have `null` in its place.
        if value.is_finite() {
            Ok(Node::Float(value))
        } else {
            Err(E::custom("a number that JSON cannot hold"))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::super::{Field, MAX_DEPTH, encode};
    use super::*;
    use crate::id::FunctionId;

    fn there_and_back(json: &str) -> String {
        let id = FunctionId::new("Order", "1");
        let place = Place::new(&id, Field::Param, 1);
        let bytes = MessagePack.encode(json, &place).unwrap();
        MessagePack.decode(&bytes, &place).unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<String, CodecError> {
        let id = FunctionId::new("Order", "1");
        MessagePack.decode(bytes, &Place::new(&id, Field::Param, 1))
    }

    #[test]
    fn every_form_of_json_comes_back_to_the_letter() {
        let texts = [
            "null",
            "true",
            "0",
            "-1",
            "[]",
            "{}",
            "\"\"",
            "18446744073709551615",
            "-9223372036854775808",
            "1.0",
            "-0.0",
            "5e-324",
            "1.7976931348623157e+308",
            "0.30000000000000004",
            r#"{"b":1,"a":[null,{"":false}],"b":2}"#,
            r#"["\u0001","\"\\","é","日本","🍣",""]"#,
        ];
        for text in texts {
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn every_float_keeps_its_bits() {
        // The steps of a generator with a long period stand for all there are.
        let next = |state: u64| {
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        };
        let floats: Vec<f64> = std::iter::successors(Some(7), |state| Some(next(*state)))
            .map(f64::from_bits)
            .filter(|value| value.is_finite())
            .take(10_000)
            .collect();
        let text = serde_json::to_string(&floats).unwrap();
        let back: Vec<f64> = serde_json::from_str(&there_and_back(&text)).unwrap();
        assert!(floats.iter().zip(&back).all(|(one, other)| one.to_bits() == other.to_bits()));
        let narrow = BTreeMap::from([("EUR", 1.1_f32), ("SEK", f32::MIN_POSITIVE)]);
        let text = serde_json::to_string(&narrow).unwrap();
        assert_eq!(serde_json::from_str::<BTreeMap<&str, f32>>(&there_and_back(&text)).unwrap(), narrow);
    }

    #[test]
    fn what_is_nested_as_deep_as_json_allows_comes_back() {
        for levels in [MAX_DEPTH, MAX_LEVELS - 1] {
            let lists = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
            assert_eq!(there_and_back(&lists), lists);
            let maps = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
            assert_eq!(there_and_back(&maps), maps);
        }
        let deepest =
            serde_json::from_str::<Value>(&there_and_back(&encode(1, &vec![vec![1]]).unwrap().body));
        assert_eq!(deepest.unwrap(), serde_json::json!([[1]]));
        assert!(decoded(&vec![0x91; 100_000]).is_err(), "and what is deeper is refused");
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        let not_json: [&[u8]; 8] = [
            &[],
            &[0xc1],
            &[0xc4, 1, 7],
            &[0xd4, 1, 7],
            &[0x81, 1, 1],
            &[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
            &[0xa1, 0xff],
            &[0x92, 1],
        ];
        for bytes in not_json {
            let error = decoded(bytes).expect_err("refused").to_string();
            assert_eq!(error, "it is no MessagePack of JSON", "{bytes:x?}");
        }
        assert_eq!(decoded(&[1, 1]).expect_err("refused").to_string(), "it has bytes behind its end");
    }
}
