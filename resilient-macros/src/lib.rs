//! The macros of `resilient`. Use them through that crate, which has the types that the generated code names.
//!
//! ```text
//! names, diagnostics → pairs → stored → args, attr → model → check → expand → mod → lib
//! ```

mod diagnostics;
mod messages;
mod names;
mod pairs;
mod resilient_fn;
mod stored;
mod versioned;

use proc_macro::TokenStream;

/// Makes an `async fn` run to its end, whatever crashes.
///
/// The function stays exactly as it is written and can be called as before, for example in a unit test. Beside it
/// stands a type of the same name with its handles: `invoke`, `invoke_with`, `schedule`, `schedule_with`,
/// `schedule_at`, `schedule_in`, `send`, `send_all`, `reinvoke`, `control_panel` and `completion`. It implements
/// `resilient::ResilientFn`.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `type_id = "OrderProcessor"` | needed: the name under which instances are stored. It is a literal of 1 to 200 bytes, without control characters and without white space at its ends. It must stay the same when the function is renamed or moved. |
/// | `version = 2` | the version of the function, 1 if it is not given. Two versions of one type id can live side by side: an instance runs in the version it was begun in. |
/// | `handle = ProcessOrder` | another name for the type with the handles. It is needed where a module has the name of the function: in `mod process_order; pub use process_order::process_order;` two things would have one name (E0255). |
/// | `register = false` | `discover()` does not find the function; register it by type. For functions inside tests. |
/// | `crate = path` | where the `resilient` crate is, when it is known under another name. |
///
/// # The signature
///
/// The first argument is the **parameter**: stored before the function runs, and handed over by value. It implements
/// serde's `Serialize` and `DeserializeOwned`, `Send` and `Sync`. `_: ()` stands for nothing. A type that has changed
/// since it was stored derives [`macro@Versioned`].
///
/// Behind it come, in any order and told apart by type, so that aliases work:
/// - `&mut Scrapbook<S>`, at most once: the progress record, whose state derives [`macro@Scrapbook`],
/// - `&Context`: the id, the attempt, the shutdown signal,
/// - `Dep<T>` or `Option<Dep<T>>`: a service given to the runtime's builder.
///
/// It **returns** `T`, `Result<T, E>` or `Outcome<T>`, told apart by type, too. `T` is stored, as the parameter is.
/// `E` is every `std::error::Error`, `resilient::Error`, a boxed error, text, or `anyhow::Error` (feature `anyhow`);
/// a `Postpone` among its causes postpones the run.
///
/// # Rules
///
/// - It is an `async fn` with a body, free (no `self`), not `unsafe`, without an ABI, without type or const
///   parameters, and without `impl Trait` in its signature.
/// - The parameter and the result are owned. It does not return `!`.
/// - Services are taken as `Dep<T>`, by value, and not as `Arc<T>`; the context by `&`; the scrapbook by `&mut`.
/// - The future is `Send`.
/// - A `pub` function needs a `pub` parameter type (E0446), because the type stands in the implementation of a
///   public trait.
/// - Within a crate a type id and version stand for one function; across crates this is checked at start-up.
/// - `#[cfg]` and `#[deprecated]` below this attribute hold for the handles, too; above it, `#[cfg]` does.
#[proc_macro_attribute]
pub fn resilient_fn(attr: TokenStream, item: TokenStream) -> TokenStream {
    resilient_fn::resilient_fn(attr.into(), item.into()).into()
}

/// Makes a struct the state of a scrapbook.
///
/// It goes together with `Default` (the state before the first run), `Serialize` and `Deserialize`:
///
/// ```text
/// #[derive(Default, Serialize, Deserialize, Scrapbook)]
/// #[scrapbook(version = 3, v1 = BookV1, v2 = BookV2)]
/// struct Book { emails: u64, last: Option<String> }
///
/// impl From<BookV1> for BookV2 { … }
/// impl TryFrom<BookV2> for Book { … }
/// ```
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `version = 3` | the version that is written, counted from 1; 1 if it is not given |
/// | `v1 = BookV1`, `v2 = BookV2`, … | the types of the earlier versions, all of them: plain serde types |
/// | `oldest = 2` | nothing older is stored any more, so that `v1` need not be given |
/// | `crate = path` | where the `resilient` crate is, when it is known under another name |
///
/// Stored data of an earlier version is read as the type of that version and upgraded step by step, by `From` or
/// `TryFrom`. Data of a later version is not read: it is left to a replica that knows it.
///
/// A field that is an `Option` or has `#[serde(default)]` can be added without a new version.
///
/// # What it adds
///
/// `enum BookVersions { V1(BookV1), V2(BookV2), V3(Book) }`, a serde enum for export and import, with `upgrade()`. It
/// is written as `{"v":"3","data":{…}}`.
///
/// # Rules
///
/// - It is a struct with named fields, without generic parameters.
/// - Versions go from 1 to 2147483647; the types from `oldest` to the one before `version` are all given, and no
///   others, and none of them is the struct itself.
#[proc_macro_derive(Scrapbook, attributes(scrapbook))]
pub fn derive_scrapbook(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Scrapbook, item.into()).into()
}

/// Gives a parameter or a result a version, and the types of its earlier versions.
///
/// The arguments are those of [`macro@Scrapbook`], in `#[versioned(…)]`:
///
/// ```text
/// #[derive(Serialize, Deserialize, Versioned)]
/// #[versioned(version = 2, v1 = PersonV1)]
/// struct Person { birthdate: String, number: String }
///
/// impl From<PersonV1> for Person { … }
/// ```
///
/// A type without this derive is version 1. Once a type has it, it keeps it: without it, what is stored in version
/// 2 is refused as newer.
///
/// # Rules
///
/// - It is a struct or an enum, without generic parameters.
/// - The rules for versions are those of [`macro@Scrapbook`].
#[proc_macro_derive(Versioned, attributes(versioned))]
pub fn derive_versioned(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Versioned, item.into()).into()
}

/// Makes a type a message: typed input for an instance while it lives.
///
/// It goes together with `Serialize` and `Deserialize`:
///
/// ```text
/// #[derive(Serialize, Deserialize, Message)]
/// #[message(name = "FundsReserved", version = 2, v1 = FundsReservedV1)]
/// struct FundsReserved { transaction: Uuid }
///
/// impl From<FundsReservedV1> for FundsReserved { … }
/// ```
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `name = "FundsReserved"` | the name under which it is stored, and by which a waiting instance finds it: a literal of 1 to 200 bytes, without control characters and without white space at its ends. The name of the type if it is not given. It must stay the same when the type is renamed. |
/// | `version = 2`, `v1 = …`, `oldest = 2`, `crate = path` | as for [`macro@Scrapbook`] |
///
/// A message is [`macro@Versioned`], too: the same type can be the parameter or the result of a function.
///
/// # Rules
///
/// - It is a struct or an enum, without generic parameters. An enum is **one** message, whatever its variant; of
///   several messages make an enum with [`macro@Messages`].
/// - The rules for versions are those of [`macro@Scrapbook`].
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Message, item.into()).into()
}

/// Makes an enum something that can be waited for: the first of several kinds of messages.
///
/// ```text
/// #[derive(Messages)]
/// enum PaymentReply { Reserved(FundsReserved), Declined(FundsDeclined) }
///
/// match context.messages().next::<PaymentReply>().await? {
///     PaymentReply::Reserved(reserved) => …,
///     PaymentReply::Declined(declined) => …,
/// }
/// ```
///
/// The enum is never stored, so it needs no serde; each message is stored under its own name. For two kinds, once,
/// there is `Either<A, B>`.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `crate = path` | in `#[messages(…)]`: where the `resilient` crate is, when it is known under another name |
///
/// # Rules
///
/// - It is an enum with at least one variant, without generic parameters.
/// - Each variant holds exactly one message, without a field's name, and no two of them the same one.
/// - No two messages have the same stored name.
#[proc_macro_derive(Messages, attributes(messages))]
pub fn derive_messages(item: TokenStream) -> TokenStream {
    messages::derive(item.into()).into()
}
