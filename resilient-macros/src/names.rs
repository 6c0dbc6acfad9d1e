//! Words the user writes, and names the macros make.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;

pub(crate) const SCRAPBOOK: &str = "scrapbook";
pub(crate) const VERSIONED: &str = "versioned";
pub(crate) const MESSAGE: &str = "message";
pub(crate) const MESSAGES: &str = "messages";

/// The guards of calls, as somebody may write them who takes them for attributes, and their types.
pub(crate) const GUARDS: [(&str, &str); 2] =
    [("at_most_once", "AtMostOnce"), ("at_least_once", "AtLeastOnce")];

pub(crate) const TYPE_ID: &str = "type_id";
pub(crate) const VERSION: &str = "version";
pub(crate) const HANDLE: &str = "handle";
pub(crate) const REGISTER: &str = "register";
pub(crate) const RETRY: &str = "retry";
pub(crate) const DROPPED_SCRAPBOOK: &str = "dropped_scrapbook";
pub(crate) const EVERY: &str = "every";
pub(crate) const CRON: &str = "cron";
pub(crate) const TIMEZONE: &str = "timezone";
pub(crate) const MISSED: &str = "missed";
pub(crate) const CRATE: &str = "crate";
pub(crate) const OLDEST: &str = "oldest";
pub(crate) const NAME: &str = "name";

pub(crate) const FIRST: &str = "first";
pub(crate) const FACTOR: &str = "factor";
pub(crate) const STEP: &str = "step";
pub(crate) const MAX_DELAY: &str = "max_delay";
pub(crate) const MAX_TRIES: &str = "max_tries";
pub(crate) const JITTER: &str = "jitter";
pub(crate) const IN_MEMORY_BELOW: &str = "in_memory_below";
pub(crate) const ONLY_IF: &str = "only_if";

/// The most bytes of a type id or of the name of a message; the runtime has the same limit.
pub(crate) const MAX_NAME_BYTES: usize = 200;
/// What the names of the framework's own messages begin with; the runtime refuses it, too.
pub(crate) const RESERVED: &str = "resilient.";
/// The greatest version, which every database keeps in its usual integer.
pub(crate) const MAX_VERSION: u32 = i32::MAX as u32;

/// The macro that stands for a type id and version within a crate: two of one name do not compile.
///
/// Everything but ASCII letters and digits is written as `_hex_`, so that different ids stay different.
pub(crate) fn marker(type_id: &str, version: u32, span: Span) -> Ident {
    let mut name = format!("__resilient_type_id_v{version}__");
    for character in type_id.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else {
            name.extend(["_", &format!("{:x}", u32::from(character)), "_"]);
        }
    }
    Ident::new(&name, span)
}

/// The enum of all versions of a type.
pub(crate) fn versions_enum(ident: &Ident) -> Ident {
    format_ident!("{}Versions", ident.unraw(), span = ident.span())
}

/// The variant of one version in that enum.
pub(crate) fn version_variant(version: u32) -> Ident {
    format_ident!("V{version}")
}

/// The number in `v1`, `v2`, …
pub(crate) fn version_of_key(key: &str) -> Option<u32> {
    let digits = key.strip_prefix('v')?;
    if digits.starts_with('0') && digits.len() > 1 { None } else { digits.parse().ok() }
}

/// `process_order` as `ProcessOrder`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut characters = word.chars();
        camel.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(characters.as_str());
    }
    camel
}

/// Tokens as a person would write them: `&mut Scrapbook<Book>`.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write_tokens(&mut text, tokens.into_token_stream());
    text
}

fn write_tokens(text: &mut String, tokens: TokenStream) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(text, group.stream());
                text.push_str(close);
            }
            other => write_token(text, &other.to_string()),
        }
    }
}

/// Words are kept apart; a space follows `,` and `:`, and `->` and `+` and `=` stand free.
fn write_token(text: &mut String, token: &str) {
    let is_word = |character: char| character.is_alphanumeric() || character == '_' || character == '"';
    let before = text.chars().last().unwrap_or(' ');
    let starts_word = token.starts_with(is_word) || token.starts_with('\'');
    let after_sign = matches!(before, ',' | ';' | '+' | '=') || text.ends_with("->");
    let after_colon = before == ':' && !text.ends_with("::") && token != ":";
    let two_words = is_word(before) && starts_word;
    let arrow = token == "-" && !text.ends_with(' ');
    let sign = matches!(token, "+" | "=") && before != ' ';
    if two_words || after_sign || after_colon || arrow || sign {
        text.push(' ');
    }
    text.push_str(token);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_a_person_would() {
        for text in [
            "&mut Scrapbook<Book>",
            "Result<Vec<(u8, String)>, std::io::Error>",
            "Dep<dyn Bank + Send>",
            "async fn f(order: Order, context: &Context) -> u32",
        ] {
            let tokens: TokenStream = text.parse().unwrap();
            assert_eq!(written(tokens), text);
        }
    }

    #[test]
    fn different_ids_have_different_markers() {
        let name = |id| marker(id, 1, Span::call_site()).to_string();
        assert_eq!(name("Order"), "__resilient_type_id_v1__Order");
        let names = ["a_b", "a__b", "a.b", "a-b", "a_2e_b", "ä"].map(name);
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn a_rust_name_becomes_a_suggestion() {
        assert_eq!(camel_case("process_order"), "ProcessOrder");
        assert_eq!(version_of_key("v12"), Some(12));
        assert_eq!(version_of_key("v01"), None);
        assert_eq!(version_of_key("version"), None);
    }
}
