//! How mistakes are collected, and every text that is said about them.
//!
//! A text says what is wrong in the user's words and how to put it right; it is written once, here.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. Only [`collect`] makes one, so none can be forgotten.
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// A mistake that `tokens` are.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake at a place.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// A value that was made although mistakes were found on the way.
pub(crate) struct Rejected<T> {
    /// As good as it could be made.
    pub(crate) value: T,
    /// All mistakes, as code that does not compile.
    pub(crate) errors: TokenStream,
}

/// Runs `work` with a collector; its value comes back alone only when nothing was collected.
pub(crate) fn collect<T>(work: impl FnOnce(&mut Errors) -> T) -> Result<T, Rejected<T>> {
    let mut errors = Errors(Vec::new());
    let value = work(&mut errors);
    let all = errors.0.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    });
    match all {
        None => Ok(value),
        Some(all) => Err(Rejected { value, errors: all.into_compile_error() }),
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Whether one edit, or underscores and case, or a missing end are all that parts two words.
fn is_near(word: &str, known: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_lowercase().chars().collect::<Vec<_>>();
    let (word, known) = (plain(word), plain(known));
    if word.len() > 2 && (known.starts_with(&word) || word.starts_with(&known)) {
        return true;
    }
    if word.len().abs_diff(known.len()) > 1 || word.len() < 3 {
        return word == known;
    }
    let same = |pair: &(&char, &char)| pair.0 == pair.1;
    if word.len() == known.len() && is_swapped(&word, &known) {
        return true;
    }
    let start = word.iter().zip(&known).take_while(same).count();
    let end = word.iter().rev().zip(known.iter().rev()).take_while(same).count();
    start + end + 1 >= word.len().max(known.len())
}

/// Whether two neighbours have changed places.
fn is_swapped(word: &[char], known: &[char]) -> bool {
    let mut different = (0..word.len()).filter(|&at| word.get(at) != known.get(at));
    match (different.next(), different.next(), different.next()) {
        (Some(first), Some(second), None) => {
            first + 1 == second
                && word.get(first) == known.get(second)
                && word.get(second) == known.get(first)
        }
        _ => false,
    }
}

// ---- attributes

/// The list has a line of its own: it is long.
pub(crate) fn unknown_key(list: &str, key: &str, known: &[&str]) -> String {
    let hint = match known.iter().find(|known| is_near(key, known)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`{list}` knows\n{}", listed(known)),
    };
    format!("unknown argument `{key}`; {hint}")
}

pub(crate) fn duplicate_key(key: &str) -> String {
    format!("duplicate argument `{key}`; it was already given")
}

pub(crate) fn missing_value(key: &str, example: &str) -> String {
    format!("`{key}` needs a value; write `{key} = {example}`")
}

pub(crate) fn missing_list(key: &str, example: &str) -> String {
    format!("`{key}` is a list; write `{key}({example})`")
}

pub(crate) fn wrong_value(key: &str, kind: &str, example: &str) -> String {
    format!("`{key}` is {kind}; write `{key} = {example}`")
}

pub(crate) fn not_a_pair() -> &'static str {
    "expected `argument = value`"
}

pub(crate) fn missing_comma() -> &'static str {
    "expected `,` before the next argument"
}

pub(crate) fn positional_name(what: &str, key: &str, text: &str) -> String {
    format!("the {what} is given by name; write `{key} = {text:?}`")
}

pub(crate) fn positional_value() -> &'static str {
    "arguments are given by name; write `argument = value`"
}

pub(crate) fn not_a_list(macro_name: &str, example: &str) -> String {
    format!("expected a list; write `#[{macro_name}({example})]`")
}

// ---- stored names and `version`

pub(crate) fn missing_type_id(suggestion: &str) -> String {
    format!(
        "a resilient function needs a type id, by which stored instances find it; write `type_id = {suggestion:?}`"
    )
}

pub(crate) fn name_not_literal(what: &str) -> String {
    format!("the {what} is a storage key and stays the same when code moves; write it as a string literal")
}

pub(crate) fn name_empty(what: &str, says: &str) -> String {
    format!("the {what} is empty; name {says}")
}

pub(crate) fn name_too_long(what: &str, bytes: usize, limit: usize) -> String {
    format!("the {what} has {bytes} bytes; stores keep at most {limit}")
}

pub(crate) fn name_white_space(what: &str) -> String {
    format!("the {what} begins or ends with white space, which nobody sees in a table; remove it")
}

pub(crate) fn name_control_characters(what: &str) -> String {
    format!("the {what} holds a control character; remove it")
}

pub(crate) fn version_zero(key: &str) -> String {
    format!("`{key}` counts from 1")
}

pub(crate) fn version_too_large(key: &str, limit: u32) -> String {
    format!("`{key}` is at most {limit}; versions count up by one")
}

// ---- `retry`

pub(crate) fn missing_first_delay() -> &'static str {
    "`retry` needs the delay before the second run; add `first = \"1s\"`"
}

pub(crate) fn factor_beside_step() -> &'static str {
    "`step` cannot be combined with `factor`; a delay grows by one of them, and stays the same without"
}

pub(crate) fn invalid_duration(text: &str) -> String {
    format!("invalid duration `{text:?}`; expected for example `\"30s\"`, in one of `ms`, `s`, `m`, `h`, `d`")
}

pub(crate) fn duration_too_long(text: &str, days: u64) -> String {
    format!("the duration `{text:?}` is longer than 1,000 years; it is at most `\"{days}d\"`")
}

pub(crate) fn factor_range() -> &'static str {
    "`factor` is a finite number from 1; delays do not become shorter"
}

pub(crate) fn jitter_range() -> &'static str {
    "`jitter` is a number from 0 to 1; it is the part of a delay by which it is shortened at most"
}

pub(crate) fn max_tries_zero() -> &'static str {
    "`max_tries` counts from 1; the first run is one of them"
}

pub(crate) fn max_tries_too_large(limit: u32) -> String {
    format!("`max_tries` is at most {limit}")
}

// ---- `every`, `cron`

pub(crate) fn every_beside_cron() -> &'static str {
    "`cron` cannot be combined with `every`; a function recurs by one of them"
}

pub(crate) fn every_too_short() -> &'static str {
    "`every` is a whole number of seconds, at least `\"1s\"`"
}

pub(crate) fn cron_fields(found: usize) -> String {
    format!("`cron` has five fields, minute, hour, day, month and day of the week; found {found}")
}

pub(crate) fn cron_characters(character: char) -> String {
    format!("{character:?} cannot stand in a `cron` expression; expected for example `\"30 2 * * MON-FRI\"`")
}

pub(crate) fn timezone_without_cron() -> &'static str {
    "`timezone` belongs to `cron`; an interval is the same everywhere"
}

pub(crate) fn timezone_name() -> &'static str {
    "`timezone` is a name of the IANA database, for example `\"Europe/Copenhagen\"`"
}

pub(crate) fn missed_alone() -> &'static str {
    "`missed` belongs to a function that recurs; add `every` or `cron`"
}

pub(crate) fn missed_value() -> &'static str {
    "`missed` is `\"once\"` or `\"every\"`: which of several missed ticks are made up for"
}

// ---- the function

pub(crate) fn dropped_beside_scrapbook() -> &'static str {
    "the function takes a scrapbook, so it has dropped none; remove `dropped_scrapbook`, or the scrapbook"
}

pub(crate) fn not_a_function() -> &'static str {
    "`#[resilient_fn]` can only be applied to an `async fn` with a body"
}

pub(crate) fn not_async() -> &'static str {
    "a resilient function is awaited by the runtime; write `async fn`"
}

pub(crate) fn unsafe_function() -> &'static str {
    "a resilient function cannot be `unsafe`; the runtime calls it again after a crash"
}

pub(crate) fn foreign_abi() -> &'static str {
    "a resilient function is called by the runtime only; remove the ABI"
}

pub(crate) fn generic_function() -> &'static str {
    "a resilient function cannot be generic, a type id stands for one signature; annotate one function per type"
}

pub(crate) fn self_receiver() -> &'static str {
    "a resilient function cannot take `self`; make it a free function that takes the service as `Dep<T>`"
}

pub(crate) fn impl_trait() -> &'static str {
    "`impl Trait` cannot stand in a resilient function, stored data has one type; name the type"
}

pub(crate) fn missing_parameter() -> &'static str {
    "a resilient function takes its parameter first; write `_: ()` when there is nothing to hand over"
}

pub(crate) fn parameter_not_first() -> &'static str {
    "the first argument is the parameter; move this one behind it, or write `_: ()` before it"
}

pub(crate) fn borrowed_parameter(owned: &str) -> String {
    format!("the parameter is stored and handed over by value; write `{owned}`")
}

pub(crate) fn scrapbook_not_by_mut(state: &str) -> String {
    format!("a scrapbook is taken by `&mut`; write `&mut {state}`")
}

pub(crate) fn second_scrapbook() -> &'static str {
    "a resilient function takes at most one scrapbook; put both states into one struct"
}

pub(crate) fn context_not_by_ref() -> &'static str {
    "the context is taken by `&`; write `&Context`"
}

pub(crate) fn shared_pointer(service: &str) -> String {
    format!("a service is taken as a dependency; write `Dep<{service}>`")
}

pub(crate) fn borrowed_dependency(dependency: &str) -> String {
    format!("a dependency is taken by value; write `{dependency}`")
}

pub(crate) fn borrowed_result(owned: &str) -> String {
    format!("the result is stored, so it cannot be borrowed; write `{owned}`")
}

pub(crate) fn never_result() -> &'static str {
    "a resilient function ends each run with an outcome; return `Outcome<()>` and postpone the next run"
}

// ---- versioned data

pub(crate) fn scrapbook_not_a_struct() -> &'static str {
    "a scrapbook is a struct with named fields, which can be added to later; put this into a field"
}

pub(crate) fn versioned_union() -> &'static str {
    "a union cannot be stored; use a struct or an enum"
}

pub(crate) fn generic_data() -> &'static str {
    "versioned data cannot be generic; what is stored has one type"
}

pub(crate) fn guard_as_attribute(field: &str) -> String {
    format!("a guarded call is known by the type of its field; write `{field}`")
}

pub(crate) fn attribute_on_a_field(attribute: &str) -> String {
    format!("`#[{attribute}(…)]` is about the whole type; write it above that")
}

pub(crate) fn missing_version(version: u32) -> String {
    format!("earlier versions need a version that comes after them; write `version = {version}`")
}

pub(crate) fn missing_earlier_types(version: u32, additions: &str, oldest: u32) -> String {
    format!(
        "`version = {version}` needs the types before it; add {additions}, or `oldest = {oldest}` to end them"
    )
}

pub(crate) fn type_not_earlier(key: &str, version: u32) -> String {
    format!("`{key}` is not earlier than `version = {version}`; the annotated type is the newest version")
}

pub(crate) fn type_before_oldest(key: &str, oldest: u32) -> String {
    format!("`{key}` is before `oldest = {oldest}`; remove one of them")
}

pub(crate) fn oldest_after_version(oldest: u32, version: u32) -> String {
    format!("`oldest = {oldest}` is after `version = {version}`; it can be {version} at most")
}

pub(crate) fn own_type_as_earlier(key: &str) -> String {
    format!("`{key}` is the annotated type itself; give the type as it was in that version")
}

// ---- messages

pub(crate) fn messages_not_an_enum() -> &'static str {
    "several kinds of messages are an enum with one variant for each; a single message derives `Message`"
}

pub(crate) fn messages_without_variants() -> &'static str {
    "an enum without variants waits for nothing; give it one variant for each kind of message"
}

pub(crate) fn generic_messages() -> &'static str {
    "an enum of messages cannot be generic; what is stored has one type"
}

pub(crate) fn variant_without_message(example: &str) -> String {
    format!("a variant holds exactly one message; write `{example}`")
}

pub(crate) fn message_twice(ty: &str, first: &str) -> String {
    format!("`{ty}` is held by the variant `{first}` already; each kind of message has one variant")
}

pub(crate) fn message_name_reserved() -> &'static str {
    "names that begin with `resilient.` are those of the framework's own messages; give another one"
}

pub(crate) fn message_name_twice() -> &'static str {
    "an earlier variant holds a message of this name; give one of them another with `#[message(name = \"…\")]`"
}
