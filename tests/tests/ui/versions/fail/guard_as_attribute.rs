use resilient::Scrapbook;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, Scrapbook)]
pub struct Book {
    #[at_most_once]
    parcel: String,
    #[scrapbook(at_least_once)]
    receipt: Option<u32>,
}

fn main() {}
