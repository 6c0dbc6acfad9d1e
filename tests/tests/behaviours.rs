//! Holds the list of behaviours, `tests/behaviours.md`, true: what it names exists, and runs on the stores it says; and
//! no test of a behaviour is missing from it.

mod behaviours {
    pub(crate) mod list;
    pub(crate) mod sources;
}

use std::collections::{BTreeMap, BTreeSet};

use behaviours::list::{self, Behaviour};
use behaviours::sources::{self, EVERYWHERE, Stores};

/// All problems at once: whoever has added ten tests wants to see ten names.
fn expect_none(problems: &[String]) {
    assert!(problems.is_empty(), "tests/behaviours.md:\n{}", problems.join("\n"));
}

/// The stores on which some test of the behaviour runs, or what is wrong with the tests that it names.
fn shown_on(behaviour: &Behaviour, found: &BTreeMap<String, Stores>) -> Result<Stores, String> {
    let mut shown = Stores::new();
    for test in &behaviour.tests {
        let stores = found.get(test).ok_or_else(|| format!("there is no test `{test}`"))?;
        shown.extend(stores);
    }
    Ok(shown)
}

#[test]
fn every_behaviour_is_shown_on_the_stores_that_it_names() {
    let found = sources::tests();
    let problem = |behaviour: &Behaviour| match shown_on(behaviour, &found) {
        Err(problem) => Some(problem),
        Ok(shown) if !behaviour.stores.is_subset(&shown) => {
            Some(format!("its tests run on {shown:?}, not on {:?}", behaviour.stores))
        }
        Ok(_) => None,
    };
    let problems = list::read().into_iter().filter_map(|behaviour| {
        problem(&behaviour).map(|problem| format!("line {}: {problem}", behaviour.line))
    });
    expect_none(&problems.collect::<Vec<_>>());
}

#[test]
fn every_test_of_a_behaviour_is_named() {
    let behaviours = list::read();
    let named: BTreeSet<_> = behaviours.iter().flat_map(|behaviour| &behaviour.tests).collect();
    let found = sources::tests();
    assert!(found.len() > 350, "only {} tests were found: they are written in another way now", found.len());
    let missing = found.keys().filter(|test| test.starts_with("behaviour/") && !named.contains(test));
    expect_none(&missing.map(|test| format!("no behaviour names `{test}`")).collect::<Vec<_>>());
}

#[test]
fn every_behaviour_stands_once_and_has_a_test() {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for Behaviour { line, text, tests, .. } in list::read() {
        if !seen.insert(text.to_lowercase()) {
            problems.push(format!("line {line}: this behaviour stands above already"));
        }
        if tests.is_empty() {
            problems.push(format!("line {line}: no test shows it"));
        }
        if tests.iter().collect::<BTreeSet<_>>().len() < tests.len() {
            problems.push(format!("line {line}: a test is named twice"));
        }
    }
    expect_none(&problems);
}

#[test]
fn who_is_not_shown_everywhere_says_why() {
    let reasons = list::reasons();
    let behaviours = list::read();
    let mut problems: Vec<_> = behaviours
        .iter()
        .filter(|behaviour| (behaviour.stores.len() < EVERYWHERE.len()) != behaviour.reason.is_some())
        .map(|behaviour| {
            format!("line {}: a reason stands where a store is missing, and only there", behaviour.line)
        })
        .collect();
    let given: BTreeSet<_> = behaviours.into_iter().filter_map(|behaviour| behaviour.reason).collect();
    problems.extend(
        given
            .symmetric_difference(&reasons)
            .map(|reason| format!("the reason `[^{reason}]` has to be used in a table and defined below")),
    );
    expect_none(&problems);
}
