//! Generated code in places where it could go wrong: strict lints, shadowed names, odd positions.
//!
//! Most of it is compiled and not run: that it compiles is the test.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    single_use_lifetimes,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::missing_docs_in_private_items,
    clippy::panic,
    clippy::unwrap_used
)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

/// A public interface under strict lints.
pub mod strict {
    use resilient::prelude::*;
    use serde::{Deserialize, Serialize};

    /// An order.
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Order {
        /// Its number.
        pub number: u32,
    }

    /// Progress, earlier.
    #[derive(Debug, Serialize, Deserialize)]
    struct ProgressV1 {
        steps: u8,
    }

    /// Progress.
    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    #[scrapbook(version = 2, v1 = ProgressV1)]
    pub struct Progress {
        /// How far.
        pub steps: u32,
    }

    impl From<ProgressV1> for Progress {
        fn from(progress: ProgressV1) -> Self {
            Self { steps: progress.steps.into() }
        }
    }

    /// The bank has the money, earlier.
    #[derive(Debug, Serialize, Deserialize)]
    struct ReservedV1 {
        amount: u8,
    }

    /// The bank has the money.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
    #[message(name = "generated.Reserved", version = 2, v1 = ReservedV1)]
    pub struct Reserved {
        /// How much.
        pub amount: u32,
    }

    impl From<ReservedV1> for Reserved {
        fn from(reserved: ReservedV1) -> Self {
            Self { amount: reserved.amount.into() }
        }
    }

    /// The bank wants more: one message, whatever it says.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
    pub enum Asked {
        /// For a name.
        Name,
        /// For a number.
        Number(u32),
    }

    /// What the bank can say.
    #[derive(Debug, PartialEq, Eq, Messages)]
    pub enum Reply {
        /// Yes.
        Reserved(Reserved),
        /// Perhaps.
        Asked(Asked),
    }

    /// A service.
    pub trait Bank: Send + Sync {}

    /// All kinds of arguments.
    ///
    /// # Errors
    ///
    /// None.
    #[resilient_fn(type_id = "generated.Strict", version = 2)]
    pub async fn strict(
        order: Order,
        scrapbook: &mut Scrapbook<Progress>,
        context: &Context,
        bank: Dep<dyn Bank>,
        other: Option<Dep<String>>,
    ) -> resilient::Result<u32> {
        scrapbook.steps += context.attempt();
        scrapbook.save().await?;
        drop((bank, other));
        Ok(order.number)
    }

    /// Nothing in, nothing out.
    #[resilient_fn(type_id = "generated.Unit")]
    pub async fn unit((): ()) {}
}

/// Names of the prelude and of `std` mean something else here.
#[allow(
    dead_code,
    missing_debug_implementations,
    non_camel_case_types,
    reason = "they only have to be there"
)]
pub mod shadowed {
    use ::resilient::resilient_fn;

    struct Result;
    struct Option;
    struct Vec;
    struct String;
    struct Box;
    struct Future;
    struct Some;
    struct Default;
    struct Send;
    struct Into;
    struct Debug;
    struct Drop;
    struct Message;
    struct Messages;
    #[allow(non_snake_case, clippy::unnecessary_wraps, reason = "it shadows the prelude")]
    fn Ok(_: u8) {}
    #[allow(non_snake_case, reason = "it shadows the prelude")]
    fn Err(_: u8) {}
    #[allow(unused_macros, reason = "it shadows the prelude")]
    macro_rules! concat {
        () => {};
    }
    #[allow(unused_macros, reason = "it shadows the prelude")]
    macro_rules! assert {
        () => {};
    }
    mod std {}
    mod core {}
    mod resilient {}
    mod serde {}

    /// The state.
    #[derive(
        Default, ::serde::Serialize, ::serde::Deserialize, ::resilient::Scrapbook, ::core::fmt::Debug,
    )]
    pub struct Book {
        /// A number.
        pub number: u32,
    }

    /// A message.
    #[derive(::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize, ::resilient::Message)]
    #[message(name = "generated.Note")]
    pub struct Note(u32);

    /// Messages.
    #[derive(::core::fmt::Debug, ::resilient::Messages)]
    pub enum Notes {
        /// One of ours.
        Note(Note),
        /// One from elsewhere.
        Reserved(super::strict::Reserved),
    }

    /// Nothing but numbers.
    #[resilient_fn(type_id = "generated.Shadowed")]
    pub async fn shadowed(number: u32, book: &mut ::resilient::Scrapbook<Book>) -> u32 {
        book.number + number
    }
}

/// Types behind other names: everything is told apart by type.
pub mod aliases {
    use resilient::prelude::*;

    use super::strict::Progress;

    /// A scrapbook.
    pub type Book<'a> = &'a mut Scrapbook<Progress>;
    /// A context.
    pub type Ctx<'a> = &'a Context;
    /// A result whose error can be stored as JSON, too.
    pub type Answer = Result<u32, String>;
    /// An outcome.
    pub type End = Outcome<()>;

    /// In another order.
    ///
    /// # Errors
    ///
    /// For 0.
    #[resilient_fn(type_id = "generated.Aliased")]
    pub async fn aliased(number: u32, context: Ctx<'_>, book: Book<'_>) -> Answer {
        book.steps += context.attempt();
        if number == 0 { Err("zero".to_owned()) } else { Ok(number) }
    }

    /// An explicit lifetime is no generic parameter.
    #[resilient_fn(type_id = "generated.Lifetimes")]
    #[allow(clippy::needless_lifetimes, single_use_lifetimes, reason = "it is written out on purpose")]
    pub async fn lifetimes<'a>(text: std::borrow::Cow<'_, str>, context: &'a Context) -> End {
        drop((text, context));
        Outcome::Success(())
    }
}

/// Names that need `r#`, a module of the same name, and re-exports.
pub mod names {
    use resilient::{Message, Messages, Scrapbook, resilient_fn};

    /// A keyword as a name.
    #[resilient_fn(type_id = "generated.Raw")]
    pub async fn r#match(r#type: u32) -> u32 {
        r#type
    }

    /// A keyword as the name of a field and of a message.
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
    pub struct Fields {
        /// What stands before it.
        pub before: u8,
        /// A keyword.
        pub r#type: u64,
    }

    /// Nothing in it.
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
    pub struct Empty;

    /// A keyword as a name.
    #[allow(non_camel_case_types, reason = "keywords are small")]
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, Message)]
    pub struct r#async;

    /// Keywords as names of variants.
    #[allow(non_camel_case_types, reason = "keywords are small")]
    #[derive(Debug, PartialEq, Eq, Messages)]
    pub enum r#enum {
        /// The one.
        r#async(r#async),
    }

    /// One file per function.
    pub mod nightly {
        use resilient::prelude::*;

        /// The type's name is moved out of the module's way.
        #[resilient_fn(type_id = "generated.Nightly", handle = Nightly)]
        pub async fn nightly((): (), _context: &Context) {}
    }
    pub use nightly::{Nightly, nightly};

    /// Both names travel together.
    pub mod api {
        pub use super::super::strict::strict as renamed;
    }
}

/// Whatever generated code names is in scope already: no path of it may be called unnecessary.
pub mod imported {
    #[allow(unused_imports, reason = "they only have to be there")]
    use resilient::{__private::*, prelude::*, *};

    /// A parameter with a history.
    #[derive(Debug, serde::Serialize, serde::Deserialize, Versioned)]
    #[versioned(version = 2, v1 = u32)]
    pub struct Number(u32);

    impl From<u32> for Number {
        fn from(number: u32) -> Self {
            Self(number)
        }
    }

    /// A message with a history.
    #[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
    #[message(version = 2, v1 = u32)]
    pub struct Told(u32);

    impl From<u32> for Told {
        fn from(number: u32) -> Self {
            Self(number)
        }
    }

    /// A choice.
    #[derive(Debug, Messages)]
    pub enum Choice {
        /// It was told.
        Told(Told),
    }

    /// The function.
    ///
    /// # Errors
    ///
    /// None.
    #[resilient_fn(type_id = "generated.Imported")]
    pub async fn imported(number: Number, _context: &Context, _text: Dep<str>) -> Result<u32> {
        Ok(number.0)
    }
}

/// Attributes below ours hold for what is added, too.
pub mod attributes {
    use resilient::resilient_fn;

    /// Not there.
    #[resilient_fn(type_id = "generated.Gone")]
    #[cfg(any())]
    pub async fn gone(missing: TypeThatIsNotThere) {}

    /// Not there either.
    #[cfg(any())]
    #[resilient_fn(type_id = "generated.Gone")]
    pub async fn gone_above(missing: TypeThatIsNotThere) {}

    /// There, in a way.
    #[resilient_fn(type_id = "generated.Old")]
    #[deprecated = "use another"]
    #[must_use]
    #[cfg_attr(all(), cfg(all()))]
    pub async fn old(number: u32) -> u32 {
        number
    }
}

/// The dependency under another name.
pub mod renamed {
    /// A vendored copy.
    pub mod vendored {
        pub use resilient as durable;
    }
    use vendored::durable;

    /// The state.
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, durable::Scrapbook)]
    #[scrapbook(version = 1, crate = vendored::durable)]
    pub struct State {
        /// A number.
        pub number: u32,
    }

    /// A parameter.
    #[derive(Debug, serde::Serialize, serde::Deserialize, durable::Versioned)]
    #[versioned(version = 2, oldest = 2, crate = vendored::durable)]
    pub struct Input {
        /// A number.
        pub number: u32,
    }

    /// A message.
    #[derive(Debug, serde::Serialize, serde::Deserialize, durable::Message)]
    #[message(crate = vendored::durable)]
    pub struct Answer {
        /// A number.
        pub number: u32,
    }

    /// What can be waited for.
    #[derive(Debug, durable::Messages)]
    #[messages(crate = vendored::durable)]
    pub enum Waiting {
        /// The answer.
        Answer(Answer),
    }

    /// The function.
    ///
    /// # Errors
    ///
    /// None.
    #[durable::resilient_fn(type_id = "generated.Renamed", crate = vendored::durable)]
    pub async fn renamed(input: Input, state: &mut durable::Scrapbook<State>) -> durable::Result<u32> {
        state.number = input.number;
        state.save().await?;
        Ok(state.number)
    }
}

/// Functions and data that a macro of the user's writes: names and types come from its caller, the rest from itself.
pub mod made {
    use resilient::prelude::*;

    macro_rules! doubling {
        ($name:ident, $type_id:literal, $number:ty) => {
            /// Doubles a number.
            #[resilient_fn(type_id = $type_id)]
            pub async fn $name(number: $number, _context: &Context) -> $number {
                number * 2
            }
        };
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
        ($name:ident { $($field:ident: $ty:ty),* }) => {
            /// Progress.
            #[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
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
    progress!(Progress { done: bool, r#loop: u64 });

    doubling!(double_small, "generated.DoubleSmall", u8);
    doubling!(double_large, "generated.DoubleLarge", u64);
}

/// Every error a function can have.
pub mod errors {
    use resilient::prelude::*;

    /// An error of the user's.
    #[derive(Debug, thiserror::Error)]
    pub enum Trouble {
        /// Later.
        #[error("later")]
        Later(#[from] Postpone),
        /// The scrapbook.
        #[error("the scrapbook")]
        Save(#[from] resilient::SaveError),
    }

    /// With thiserror.
    ///
    /// # Errors
    ///
    /// Always.
    #[resilient_fn(type_id = "generated.Thiserror")]
    pub async fn with_thiserror((): ()) -> Result<(), Trouble> {
        Postpone::for_(std::time::Duration::ZERO).into_err()
    }

    /// With anyhow.
    ///
    /// # Errors
    ///
    /// Always.
    #[resilient_fn(type_id = "generated.Anyhow")]
    pub async fn with_anyhow((): ()) -> anyhow::Result<u8> {
        Err(Postpone::for_(std::time::Duration::ZERO))?
    }

    /// With a box.
    ///
    /// # Errors
    ///
    /// Always.
    #[resilient_fn(type_id = "generated.Boxed")]
    pub async fn with_box((): ()) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        Err("no".into())
    }
}

#[cfg(test)]
mod tests {
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
        assert!(found.file.ends_with("generated_code.rs"));
        assert_eq!(found.param, VersionRange { oldest: 1, newest: 1 });
        assert_eq!(found.scrapbook, Some(VersionRange { oldest: 1, newest: 2 }));
        assert_eq!(registered("generated.Renamed").unwrap().param, VersionRange { oldest: 2, newest: 2 });
        assert_eq!(registered("generated.Unit").unwrap().scrapbook, None);
        assert_eq!(
            registered("generated.DoubleLarge").unwrap().fn_path,
            "generated_code::made::double_large"
        );
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
        let heard = Heard::decode("Told", &Payload::new(1, "7"));
        assert!(matches!(heard, Ok(Heard::Told(Told(7)))), "{heard:?}");
        #[resilient_fn(type_id = "generated.Local", register = false)]
        async fn job(local: Local, notes: &mut Scrapbook<Notes>) -> u32 {
            local.0 + notes.number
        }
        #[resilient_fn(type_id = "generated.Local", register = false)]
        async fn same_id(local: Local) -> u32 {
            local.0
        }
        assert!(registered("generated.Local").is_none());
        let registrations = vec![job::registration(), same_id::registration(), job::registration()];
        let problems =
            registry::Registry::build(registrations, &registry::Dependencies::default()).unwrap_err();
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            text.starts_with("type id `generated.Local` version 1 is used twice: by `generated_code::"),
            "{text}"
        );
        let mut notes = Scrapbook::default();
        drop((job(Local(1), &mut notes), same_id(Local(2))));
    }
}
