//! What the macros say when something is wrong.
//!
//! `fail` holds cases with errors of our own only, which stay the same under another compiler; `rustc` holds those
//! where the compiler speaks. A case is one mistake, and its file has the name of that mistake. `pass` holds what
//! must compile; those cases are modules of this test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

macro_rules! pass {
    ($($path:literal $name:ident;)*) => {
        $(
            #[path = $path]
            #[allow(dead_code, reason = "that it compiles is the test")]
            #[allow(
                clippy::ignored_unit_patterns,
                clippy::too_many_arguments,
                clippy::unused_async,
                reason = "the cases are short and do nothing"
            )]
            mod $name;
        )*
        const PASS: &[&str] = &[$(stringify!($name)),*];
    };
}
pass! {
    "ui/arguments/pass/every_argument.rs" every_argument;
    "ui/arguments/pass/two_versions_of_one_type_id.rs" two_versions_of_one_type_id;
    "ui/arguments/pass/type_ids_of_many_characters.rs" type_ids_of_many_characters;
    "ui/messages/pass/messages_of_every_form.rs" messages_of_every_form;
    "ui/recurring/pass/every_argument_of_recurring.rs" every_argument_of_recurring;
    "ui/retry/pass/every_argument_of_retry.rs" every_argument_of_retry;
    "ui/signature/pass/a_local_variable_of_the_same_name.rs" a_local_variable_of_the_same_name;
    "ui/signature/pass/any_order_of_arguments.rs" any_order_of_arguments;
    "ui/signature/pass/handles_are_send.rs" handles_are_send;
    "ui/signature/pass/own_types_with_names_of_ours.rs" own_types_with_names_of_ours;
    "ui/signature/pass/patterns_as_parameters.rs" patterns_as_parameters;
    "ui/versions/pass/attributes_of_serde_stay.rs" attributes_of_serde_stay;
    "ui/versions/pass/paths_and_generic_types_as_earlier.rs" paths_and_generic_types_as_earlier;
}

const TOPICS: [&str; 6] = ["arguments", "messages", "recurring", "retry", "signature", "versions"];

#[test]
fn every_mistake_is_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/fail/*.rs");
    cases.compile_fail("tests/ui/*/rustc/*.rs");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(group: &str, extension: &str) -> Vec<PathBuf> {
    let folders = TOPICS.map(|topic| root().join("tests/ui").join(topic).join(group));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn names(group: &str) -> BTreeSet<String> {
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files(group, "rs").into_iter().map(name).collect()
}

/// The rules, as the macro crate's `check.rs` files name them.
fn rules() -> Vec<String> {
    let check = |part: &str| root().join("../resilient-macros/src").join(part).join("check.rs");
    let parts = ["resilient_fn", "resilient_fn/recurring", "resilient_fn/retry", "versioned", "messages"];
    let sources = parts.map(|part| fs::read_to_string(check(part)).unwrap());
    let lines: Vec<&str> = sources.iter().flat_map(|source| source.lines()).collect();
    let rule = |line: &&str| line.strip_prefix("fn check_")?.split('(').next().map(str::to_owned);
    lines.iter().filter_map(rule).collect()
}

#[test]
fn every_case_that_must_compile_is_compiled() {
    let compiled: BTreeSet<String> = PASS.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(names("pass"), compiled);
}

#[test]
fn every_rule_has_a_case_of_its_name() {
    let (rules, cases) = (rules(), names("fail"));
    assert!(rules.len() >= 46, "only {} rules found", rules.len());
    for rule in rules {
        assert!(cases.iter().any(|case| case.starts_with(&rule)), "no case for the rule `{rule}`");
    }
}

#[test]
fn most_cases_speak_with_our_own_words_only() {
    let (own, rustc) = (files("fail", "rs").len(), files("rustc", "rs").len());
    assert!(own >= 145, "{own} cases");
    assert!(own * 5 >= (own + rustc) * 4, "{own} of {} cases", own + rustc);
    for path in files("fail", "stderr") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("error[E"), "{} holds an error of the compiler's", path.display());
        assert!(!text.contains("warning: "), "{} holds a warning", path.display());
    }
}

#[test]
fn our_own_texts_keep_the_form_of_the_compilers() {
    for path in files("fail", "stderr") {
        let text = fs::read_to_string(&path).unwrap();
        for message in text.lines().filter_map(|line| line.strip_prefix("error: ")) {
            let place = path.display();
            assert!(!message.starts_with(char::is_uppercase), "{place}: {message}");
            assert!(!message.ends_with('.'), "{place}: {message}");
            assert!(message.chars().count() <= 120, "{place}: {message}");
        }
    }
}

#[test]
fn three_mistakes_are_three_errors_in_one_compile() {
    let path = root().join("tests/ui/signature/fail/three_mistakes_at_once.stderr");
    let text = fs::read_to_string(path).unwrap();
    assert!(text.lines().filter(|line| line.starts_with("error: ")).count() >= 3, "{text}");
}
