use std::collections::BTreeMap;

use resilient::{Message, Messages, Versioned};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Nothing;

#[derive(Serialize, Deserialize, Message)]
struct Pair(u32, String);

#[derive(Serialize, Deserialize, Message)]
#[message(name = "höchst seltsam: \u{1f600}", version = 3, oldest = 2, v2 = BTreeMap<String, u32>)]
#[serde(rename_all = "camelCase")]
struct Named {
    some_number: u32,
}

impl From<BTreeMap<String, u32>> for Named {
    fn from(old: BTreeMap<String, u32>) -> Self {
        Self { some_number: old.values().sum() }
    }
}

#[derive(Serialize, Deserialize, Message)]
#[serde(tag = "kind")]
enum OneOfTwo {
    This { number: u32 },
    That,
}

mod elsewhere {
    #[derive(serde::Serialize, serde::Deserialize, resilient::Message)]
    #[message()]
    pub(super) struct Generic(pub(super) Vec<u8>);
}

type Alias = elsewhere::Generic;

#[derive(Messages)]
#[messages()]
enum All {
    Nothing(Nothing),
    Pair(Pair),
    Named(#[allow(dead_code, reason = "an attribute")] Named),
    OneOfTwo(OneOfTwo),
    Alias(Alias),
}

#[derive(Messages)]
enum Single {
    Only(Nothing),
}

/// A message can be a parameter and a result, too.
#[resilient::resilient_fn(type_id = "ui.Messages")]
async fn echo(message: Named) -> Pair {
    Pair(message.some_number, <All as Messages>::NAMES.concat())
}

const _: () = assert!(Named::VERSION == 3 && <Single as Messages>::NAMES.len() == 1);
