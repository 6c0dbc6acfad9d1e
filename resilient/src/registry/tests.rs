use std::sync::Arc;

use super::*;
use crate::outcome::Failure;
use crate::registry::function::Finished;
use crate::version::VersionRange;

fn function(type_id: &'static str, version: u32, fn_path: &'static str) -> Registration {
    Registration {
        type_id,
        version,
        fn_path,
        file: "src/lib.rs",
        line: 7,
        param: VersionRange::FIRST,
        scrapbook: None,
        dropped_scrapbook: 0,
        retry: None,
        recurring: None,
        requires: |_| {},
        run: |_| Box::pin(async { Finished::before(Failure::new("test", "never run")) }),
    }
}

#[test]
fn two_versions_live_side_by_side_and_are_listed_in_order() {
    let functions = vec![function("B", 1, "b"), function("A", 2, "a2"), function("A", 1, "a1")];
    let registry = Registry::build(functions, &Dependencies::default()).unwrap();
    let paths: Vec<_> = registry.iter().map(|function| function.fn_path).collect();
    assert_eq!(paths, ["a1", "a2", "b"]);
    assert_eq!(registry.get("A", 2).unwrap().fn_path, "a2");
    assert!(registry.get("A", 3).is_none());
}

#[test]
fn the_same_registration_twice_is_one() {
    let functions = vec![function("A", 1, "a"), function("A", 1, "a")];
    assert_eq!(Registry::build(functions, &Dependencies::default()).unwrap().iter().count(), 1);
}

#[test]
fn all_problems_are_named_at_once() {
    let needy = |type_id, fn_path| Registration {
        requires: |requirements| {
            requirements.needs::<u32>();
            requirements.needs::<String>();
        },
        ..function(type_id, 1, fn_path)
    };
    let functions = vec![needy("A", "a"), needy("B", "b"), function("A", 1, "other")];
    let mut dependencies = Dependencies::default();
    dependencies.insert(Arc::new(String::new()));
    let problems = Registry::build(functions, &dependencies).unwrap_err();
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "type id `A` version 1 is used twice: by `a` (src/lib.rs:7) and by `other` (src/lib.rs:7); change one of them",
            "no dependency of type `u32`, needed by `a`, `b`; give one with `.dep(…)`",
        ]
    );
}
