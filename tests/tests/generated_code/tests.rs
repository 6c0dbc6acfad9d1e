//! What the places above promise when they run.

use resilient::prelude::*;
use resilient::registry;
use resilient::{DecodeError, Payload, ResilientFn, ScrapbookState, VersionRange};

use super::{aliases, made, names, renamed, shadowed, strict};

fn field<S: ScrapbookState>(name: &str) -> Option<usize> {
    S::FIELDS.iter().find(|(field, _)| *field == name).map(|(_, offset)| *offset)
}

fn registered(type_id: &str) -> Option<resilient::Registration> {
    registry::discovered().into_iter().find(|function| function.type_id == type_id)
}

#[test]
fn functions_are_discovered_with_their_versions_and_place() {
    let found = registered("generated.Strict").unwrap();
    assert_eq!(found.version, 2);
    assert_eq!(found.fn_path, "generated_code::strict::strict");
    assert!(found.file.ends_with("strict.rs"));
    assert_eq!(found.param, VersionRange { oldest: 1, newest: 1 });
    assert_eq!(found.scrapbook, Some(VersionRange { oldest: 1, newest: 2 }));
    assert_eq!(registered("generated.Renamed").unwrap().param, VersionRange { oldest: 2, newest: 2 });
    assert_eq!(registered("generated.Unit").unwrap().scrapbook, None);
    assert_eq!(registered("generated.DoubleLarge").unwrap().fn_path, "generated_code::made::double_large");
    assert!(registered("generated.Gone").is_none());
}

#[test]
fn constants_and_aliases_of_the_handle_are_there() {
    assert_eq!((strict::strict::TYPE_ID, strict::strict::VERSION), ("generated.Strict", 2));
    assert_eq!(names::api::renamed::TYPE_ID, strict::strict::TYPE_ID);
    assert_eq!(names::r#match::TYPE_ID, "generated.Raw");
    assert_eq!(registered("generated.Raw").unwrap().fn_path, "generated_code::names::match");
    assert_eq!(names::Nightly::TYPE_ID, <names::Nightly as ResilientFn>::TYPE_ID);
}

#[test]
fn retries_and_dropped_scrapbooks_stand_in_the_registration() {
    let found = registered("generated.Strict").unwrap();
    let strict = format!("{:?}", found.retry.unwrap());
    for part in ["first: 1s", "factor: 2.5", "max_delay: 3600s", "max_tries: 5", "jitter: 0.1"] {
        assert!(strict.contains(part), "{strict}");
    }
    assert_eq!(found.dropped_scrapbook, 0);
    let shadowed = format!("{:?}", registered("generated.Shadowed").unwrap().retry.unwrap());
    for part in ["first: 250ms", "factor: 1.0", "step: 1s", "jitter: 0.5"] {
        assert!(shadowed.contains(part), "{shadowed}");
    }
    let made = format!("{:?}", registered("generated.DoubleLarge").unwrap().retry.unwrap());
    for part in ["first: 300s", "factor: 2.0", "max_tries: 4"] {
        assert!(made.contains(part), "{made}");
    }
    assert_eq!(registered("generated.Imported").unwrap().dropped_scrapbook, 2);
    assert!(registered("generated.Unit").unwrap().retry.is_none());
}

#[test]
fn scrapbooks_know_where_their_fields_are() {
    let offsets = [field::<names::Fields>("before"), field::<names::Fields>("type")];
    let (before, raw) =
        (std::mem::offset_of!(names::Fields, before), std::mem::offset_of!(names::Fields, r#type));
    assert_eq!(offsets, [Some(before), Some(raw)]);
    assert_ne!(before, raw);
    assert!(names::Empty::FIELDS.is_empty());
    let made: Vec<_> = made::Progress::FIELDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(made, ["done", "loop", "steps"]);
}

#[test]
fn messages_have_stored_names_and_versions() {
    assert_eq!((strict::Reserved::NAME, strict::Reserved::VERSION), ("generated.Reserved", 2));
    assert_eq!((strict::Asked::NAME, strict::Asked::VERSION), ("Asked", 1));
    assert_eq!(names::r#async::NAME, "async");
    assert_eq!(renamed::Answer::NAME, "Answer");
    assert_eq!(<strict::Reply as Messages>::NAMES, ["generated.Reserved", "Asked"]);
    assert_eq!(<names::r#enum as Messages>::NAMES, ["async"]);
    assert_eq!(<made::Chat as Messages>::NAMES, ["generated.Asked", "generated.Told"]);
    assert_eq!(<shadowed::Notes as Messages>::NAMES, ["generated.Note", "generated.Reserved"]);
}

#[test]
fn a_message_is_read_by_its_name_and_version() {
    let read = |name: &str, version, text: &str| {
        <strict::Reply as Messages>::decode(name, &Payload::new(version, text))
    };
    let reserved = |amount| Ok(strict::Reply::Reserved(strict::Reserved { amount }));
    assert_eq!(read("generated.Reserved", 2, r#"{"amount":700}"#), reserved(700));
    assert_eq!(read("generated.Reserved", 1, r#"{"amount":7}"#), reserved(7));
    assert_eq!(read("Asked", 1, r#"{"Number":3}"#), Ok(strict::Reply::Asked(strict::Asked::Number(3))));
    let newer = read("generated.Reserved", 3, "{}").unwrap_err();
    assert!(matches!(newer, DecodeError::Newer { stored: 3, newest: 2, .. }), "{newer}");
    let malformed = read("Asked", 1, "7").unwrap_err();
    assert!(matches!(malformed, DecodeError::Malformed { stored: 1, .. }), "{malformed}");
}

#[tokio::test]
async fn the_function_itself_is_called_as_before() {
    let mut book = Scrapbook::<strict::Progress>::default();
    assert_eq!(aliases::aliased(7, &Context::test(), &mut book).await, Ok(7));
    assert_eq!(book.steps, 1);
    let mut book = Scrapbook::from(shadowed::Book { number: 1 });
    assert_eq!(shadowed::shadowed(2, &mut book).await, 3);
    let mut state = Scrapbook::default();
    assert_eq!(renamed::renamed(renamed::Input { number: 4 }, &mut state).await.unwrap(), 4);
    assert_eq!(names::r#match(5).await, 5);
    names::nightly((), &Context::test()).await;
}

#[test]
fn a_function_body_is_a_place_too() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Local(u32);
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
    struct Notes {
        number: u32,
    }
    #[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
    struct Told(u32);
    #[derive(Debug, Messages)]
    enum Heard {
        Told(Told),
    }
    #[resilient_fn(type_id = "generated.Local", register = false)]
    async fn job(local: Local, notes: &mut Scrapbook<Notes>) -> u32 {
        local.0 + notes.number
    }
    #[resilient_fn(type_id = "generated.Local", register = false)]
    async fn same_id(local: Local) -> u32 {
        local.0
    }
    let heard = Heard::decode("Told", &Payload::new(1, "7"));
    assert!(matches!(heard, Ok(Heard::Told(Told(7)))), "{heard:?}");
    assert!(registered("generated.Local").is_none());
    let registrations = vec![job::registration(), same_id::registration(), job::registration()];
    let problems = registry::Registry::build(registrations, &registry::Dependencies::default()).unwrap_err();
    let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        text.starts_with("type id `generated.Local` version 1 is used twice: by `generated_code::"),
        "{text}"
    );
    let mut notes = Scrapbook::default();
    drop((job(Local(1), &mut notes), same_id(Local(2))));
}
