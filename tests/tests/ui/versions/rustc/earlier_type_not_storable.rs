use resilient::Versioned;
use serde::{Deserialize, Serialize};

pub struct PersonV1 {
    name: String,
}

#[derive(Serialize, Deserialize, Versioned)]
#[versioned(version = 2, v1 = PersonV1)]
pub struct Person {
    name: String,
}

impl From<PersonV1> for Person {
    fn from(PersonV1 { name }: PersonV1) -> Self {
        Self { name }
    }
}

fn main() {}
