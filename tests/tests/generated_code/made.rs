//! Functions and data that a macro of the user's writes: names and types come from its caller, the rest from itself.

use resilient::prelude::*;

macro_rules! doubling {
    ($name:ident, $id:literal, $number:ty, $first:literal, $tries:expr, $when:path) => {
        /// Doubles a number.
        #[resilient_fn(type_id = $id, retry(first = $first, factor = 2, max_tries = $tries, only_if = $when))]
        pub async fn $name(number: $number, _context: &Context) -> $number {
            number * 2
        }
    };
}

impl From<u32> for Progress {
    fn from(steps: u32) -> Self {
        Self { steps, ..Self::default() }
    }
}

fn is_odd(failure: &resilient::Failure) -> bool {
    failure.sources.len() % 2 == 1
}

macro_rules! messages {
    ($name:ident { $($variant:ident($message:ident: $ty:ty) = $stored:literal),* }) => {
        $(
            /// A message.
            #[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
            #[message(name = $stored)]
            pub struct $message(pub $ty);
        )*

        /// All of them.
        #[derive(Debug, Messages)]
        pub enum $name {
            $(
                /// One of them.
                $variant($message)
            ),*
        }
    };
}
messages!(Chat { Asked(Question: String) = "generated.Asked", Told(Answer: u32) = "generated.Told" });

macro_rules! progress {
    ($name:ident from $v1:ty, $krate:path { $($field:ident: $ty:ty),* }) => {
        /// Progress.
        #[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
        #[scrapbook(version = 2, v1 = $v1, crate = $krate)]
        pub struct $name {
            $(
                /// A field.
                pub $field: $ty,
            )*
            /// A field of the macro's own.
            pub steps: u32,
        }
    };
}
progress!(Progress from u32, resilient { done: bool, r#loop: u64 });

doubling!(double_small, "generated.DoubleSmall", u8, "1s", 3, super::strict::is_transient);
doubling!(double_large, "generated.DoubleLarge", u64, "5m", 4, is_odd);
