//! Whether errors may quote the values that they are about.
//!
//! Whoever has a codec wants nobody to read what is stored. The words of a reader quote the value that does not fit, and
//! end up in the failure of an instance, in a reason or in a log, where no codec is. So where there is a codec, they say
//! what was expected and where, and not what was found.

tokio::task_local! {
    /// Set where errors are made that a runtime stores or tells.
    static DISCREET: bool;
}

/// Whether the errors of a runtime may quote values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Discretion {
    /// Everything is JSON, and can be read in the database anyway.
    #[default]
    MayQuote,
    /// There is a codec.
    QuotesNothing,
}

impl Discretion {
    /// Has no error quote a value that is made in this task while the future runs.
    pub(crate) async fn during<F: Future>(self, future: F) -> F::Output {
        DISCREET.scope(self.is_discreet(), future).await
    }

    /// Has no error quote a value that is made during the call.
    pub(crate) fn within<T>(self, call: impl FnOnce() -> T) -> T {
        DISCREET.sync_scope(self.is_discreet(), call)
    }

    /// Also when it is a call within another runtime's run, which has a codec.
    fn is_discreet(self) -> bool {
        self == Self::QuotesNothing || !may_quote()
    }
}

/// Whether an error that is made here may quote its value.
pub(super) fn may_quote() -> bool {
    !DISCREET.try_with(|discreet| *discreet).unwrap_or(false)
}

/// What the reader says of a text that it cannot read.
pub(crate) fn reader_says(error: &serde_json::Error) -> String {
    let words = error.to_string();
    // Whatever is no mistake in the data is one of its form, and quotes nothing.
    if may_quote() || !error.is_data() { words } else { without_value(&words) }
}

/// What an upgrade says that refuses a value.
pub(crate) fn upgrade_says(problem: String) -> String {
    if may_quote() { problem } else { "it may quote the value, so its words are left out".to_owned() }
}

/// The words of serde for a mistake, up to the value.
const MISTAKES: [&str; 6] =
    ["invalid type", "invalid value", "invalid length", "unknown variant", "unknown field", "missing field"];

/// What serde calls a value of each kind, before it quotes the value.
const KINDS: [&str; 17] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "null",
    "unit value",
    "Option value",
    "newtype struct",
    "sequence",
    "map",
    "enum",
    "unit variant",
    "newtype variant",
    "tuple variant",
    "struct variant",
];

/// The words of the reader without the value: which mistake, the kind of the value, what was expected, and where.
fn without_value(words: &str) -> String {
    let (what, place) = split_place(words);
    let Some((mistake, rest)) = mistake_in(what) else { return format!("its type refuses it{place}") };
    // A field that is missing is one of ours, and so is what was expected: it stands last, behind whatever is quoted.
    let told = if mistake == "missing field" {
        rest.to_owned()
    } else {
        let kind = KINDS.into_iter().find(|kind| rest.starts_with(&format!(": {kind}")));
        let kind = kind.map_or_else(String::new, |kind| format!(": {kind}"));
        let is_none_expected =
            rest.ends_with(", there are no fields") || rest.ends_with(", there are no variants");
        let expected = rest.rsplit_once(", expected ").filter(|_| !is_none_expected);
        let expected = expected.map_or_else(String::new, |(_, expected)| format!(", expected {expected}"));
        format!("{kind}{expected}")
    };
    format!("{mistake}{told}{place}")
}

fn mistake_in(what: &str) -> Option<(&'static str, &str)> {
    MISTAKES.into_iter().find_map(|mistake| Some((mistake, what.strip_prefix(mistake)?)))
}

/// The words, and ` at line 1 column 2` behind them.
fn split_place(words: &str) -> (&str, &str) {
    let at = words.rfind(" at line ").unwrap_or(words.len());
    words.split_at_checked(at).unwrap_or((words, ""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Card {
        number: u32,
        holder: Holder,
    }

    #[derive(Debug, Deserialize)]
    enum Holder {
        Person,
        Firm,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}

    /// A type whose error quotes what it is given.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Refusing;

    impl TryFrom<String> for Refusing {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            Err(format!("{text} is refused"))
        }
    }

    fn said<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).unwrap_err();
        assert_eq!(reader_says(&error), error.to_string(), "without a codec nothing is left out");
        Discretion::QuotesNothing.within(|| reader_says(&error))
    }

    #[test]
    fn what_is_said_names_the_mistake_and_not_the_value() {
        let cases = [
            (said::<u32>("\"secret\""), "invalid type: string, expected u32 at line 1 column 8"),
            (said::<u8>("4711"), "invalid value: integer, expected u8 at line 1 column 4"),
            (said::<bool>("47.11"), "invalid type: floating point, expected a boolean at line 1 column 5"),
            (
                said::<u32>("\"secret, expected secret\""),
                "invalid type: string, expected u32 at line 1 column 25",
            ),
            (said::<u32>("\" at line 4711\""), "invalid type: string, expected u32 at line 1 column 15"),
            (said::<(u8, u8)>("[1]"), "invalid length, expected a tuple of size 2 at line 1 column 3"),
            (said::<Holder>("\"secret\""), "unknown variant, expected `Person` or `Firm` at line 1 column 8"),
            (said::<Card>("{\"number\":1}"), "missing field `holder` at line 1 column 12"),
            (
                said::<Card>("{\"secret\":1}"),
                "unknown field, expected `number` or `holder` at line 1 column 9",
            ),
            (said::<Empty>("{\"a, expected secret\":1}"), "unknown field at line 1 column 21"),
            (said::<Refusing>("\"secret\""), "its type refuses it"),
            (
                said::<BTreeMap<u8, u8>>("{\"secret\":1}"),
                "invalid value: expected key to be a number in quotes at line 1 column 2",
            ),
            (said::<Vec<u8>>("[1,"), "EOF while parsing a value at line 1 column 3"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }
}
