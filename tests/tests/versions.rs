//! Stored data of every age: upgrade chains, what is refused and why, and the enum for export.

use resilient::{DecodeError, Payload, ScrapbookState, Versioned};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct BookV1 {
    mails: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct BookV2 {
    mails: u64,
    last: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 3, v1 = BookV1, v2 = BookV2)]
struct Book {
    mails: u64,
    last: Option<String>,
}

impl From<BookV1> for BookV2 {
    fn from(book: BookV1) -> Self {
        Self { mails: book.mails.into(), last: String::new() }
    }
}

impl TryFrom<BookV2> for Book {
    type Error = String;

    fn try_from(book: BookV2) -> Result<Self, String> {
        match book.mails {
            13 => Err("13 mails cannot be".to_owned()),
            mails => Ok(Self { mails, last: Some(book.last).filter(|last| !last.is_empty()) }),
        }
    }
}

fn book(version: u32, body: &str) -> Result<Book, DecodeError> {
    Book::decode(&Payload::new(version, body))
}

#[test]
fn every_version_becomes_the_newest() {
    assert_eq!(book(1, r#"{"mails":7}"#), Ok(Book { mails: 7, last: None }));
    let newest = Book { mails: 7, last: Some("a".to_owned()) };
    assert_eq!(book(2, r#"{"mails":7,"last":"a"}"#).as_ref(), Ok(&newest));
    assert_eq!(book(3, r#"{"mails":7,"last":"a"}"#), Ok(newest));
    assert_eq!((Book::OLDEST, Book::VERSION), (1, 3));
}

#[test]
fn newer_data_is_refused_without_being_read() {
    let type_name = std::any::type_name::<Book>();
    let newer = DecodeError::Newer { type_name, stored: 4, newest: 3 };
    assert_eq!(book(4, "not even JSON"), Err(newer.clone()));
    let text = newer.to_string();
    assert!(
        text.ends_with("is stored in version 4; this code knows 3 and earlier, deploy newer code"),
        "{text}"
    );
}

#[test]
fn a_refused_upgrade_names_the_stored_version_and_the_step() {
    let refused = |stored| {
        Err(DecodeError::Upgrade {
            type_name: std::any::type_name::<Book>(),
            stored,
            step: std::any::type_name::<Book>(),
            problem: "13 mails cannot be".to_owned(),
        })
    };
    assert_eq!(book(1, r#"{"mails":13}"#), refused(1));
    assert_eq!(book(2, r#"{"mails":13,"last":""}"#), refused(2));
}

#[test]
fn text_that_does_not_fit_names_the_type_of_its_version() {
    match book(1, r#"{"mails":"seven"}"#) {
        Err(DecodeError::Malformed { type_name, stored: 1, problem }) => {
            assert_eq!(type_name, std::any::type_name::<BookV1>());
            assert!(problem.contains("line 1 column 16"), "{problem}");
        }
        other => panic!("expected malformed data, got {other:?}"),
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 3, v2 = BookV2, oldest = 2)]
struct Young {
    mails: u64,
}

impl From<BookV2> for Young {
    fn from(book: BookV2) -> Self {
        Self { mails: book.mails }
    }
}

#[test]
fn versions_before_the_oldest_are_refused() {
    let young = |version, body| Young::decode(&Payload::new(version, body));
    assert_eq!(young(2, r#"{"mails":7,"last":""}"#), Ok(Young { mails: 7 }));
    let type_name = std::any::type_name::<Young>();
    assert_eq!(young(1, r#"{"mails":7}"#), Err(DecodeError::TooOld { type_name, stored: 1, oldest: 2 }));
    assert_eq!(young(0, "{}"), Err(DecodeError::TooOld { type_name, stored: 0, oldest: 2 }));
}

#[test]
fn the_enum_of_versions_is_exported_and_imported() {
    let export = serde_json::to_string(&BookVersions::V2(BookV2 { mails: 7, last: "a".to_owned() })).unwrap();
    assert_eq!(export, r#"{"v":"2","data":{"mails":7,"last":"a"}}"#);
    let import: BookVersions = serde_json::from_str(&export).unwrap();
    assert_eq!(format!("{import:?}"), "BookVersions::V2(..)");
    assert_eq!(import.upgrade(), Ok(Book { mails: 7, last: Some("a".to_owned()) }));
    let unknown = serde_json::from_str::<BookVersions>(r#"{"v":"4","data":{}}"#).unwrap_err().to_string();
    assert!(unknown.starts_with("unknown variant `4`, expected one of `1`, `2`, `3`"), "{unknown}");
}

/// An enum as a parameter, with a history that ends in another kind of type.
#[derive(Debug, PartialEq, Serialize, Deserialize, Versioned)]
#[versioned(version = 2, v1 = u32)]
enum Command {
    Start { number: u32 },
    Stop,
}

impl From<u32> for Command {
    fn from(number: u32) -> Self {
        Self::Start { number }
    }
}

#[test]
fn a_parameter_can_have_been_a_plain_number() {
    assert_eq!(Command::decode(&Payload::new(1, "7")), Ok(Command::Start { number: 7 }));
    assert_eq!(Command::decode(&Payload::new(2, r#""Stop""#)), Ok(Command::Stop));
}

#[derive(Debug, Default, Serialize, Deserialize, resilient::Scrapbook)]
struct Unversioned {
    number: u32,
}

#[test]
fn a_scrapbook_without_an_attribute_is_version_1() {
    fn state<S: ScrapbookState>() -> (u32, u32) {
        (S::OLDEST, S::VERSION)
    }
    assert_eq!(state::<Unversioned>(), (1, 1));
    let export = serde_json::to_string(&UnversionedVersions::V1(Unversioned { number: 1 })).unwrap();
    assert_eq!(export, r#"{"v":"1","data":{"number":1}}"#);
}
