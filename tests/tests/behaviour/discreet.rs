//! Where there is a codec, no error of data that cannot be read or stored quotes that data: its words are stored in clear.

use std::collections::BTreeMap;
use std::io;

use resilient::prelude::*;
use resilient::{Failure, Status};
use resilient_tests::{TestStore, on_every_store};
use serde::{Deserialize, Serialize};

use crate::codecs::{NEXT_SEAL, SEAL};
use crate::common::{failure, quick, stored};

/// What was deployed first: whatever it stores says `secret`.
mod first {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) struct Card(pub(super) String);

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        note: String,
    }

    #[derive(Debug, Serialize, Deserialize, Message)]
    #[message(name = "Paid")]
    pub(super) struct Paid(pub(super) String);

    #[resilient_fn(type_id = "Child of discretion", register = false)]
    pub(super) async fn child((): ()) -> String {
        "secret".to_owned()
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn work(
        card: Card,
        book: &mut Scrapbook<Book>,
        context: &Context,
    ) -> resilient::Result<String> {
        book.note.clone_from(&card.0);
        context.once("call", async || Ok::<_, io::Error>("secret".to_owned())).await?;
        context.invoke::<child>("child", ()).await?;
        Err(io::Error::other("it is to be run again").into())
    }
}

/// What was deployed next reads something of it as another type.
mod next {
    use super::*;

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn param(_: u32, _: &mut Scrapbook<first::Book>) -> String {
        String::new()
    }

    #[derive(Debug, Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = first::Card)]
    pub(super) struct Card;

    impl TryFrom<first::Card> for Card {
        type Error = String;

        fn try_from(card: first::Card) -> Result<Self, String> {
            Err(format!("{} is no card", card.0))
        }
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn upgrade(_: Card, _: &mut Scrapbook<first::Book>) -> String {
        String::new()
    }

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        note: u32,
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn scrapbook(_: first::Card, _: &mut Scrapbook<Book>) -> String {
        String::new()
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn call(
        _: first::Card,
        _: &mut Scrapbook<first::Book>,
        context: &Context,
    ) -> resilient::Result<String> {
        let read: u32 = context.once("call", async || Ok::<_, io::Error>(1)).await?;
        Ok(read.to_string())
    }

    /// A task that the body begins is no part of its run.
    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn task(
        _: first::Card,
        _: &mut Scrapbook<first::Book>,
        context: &Context,
    ) -> resilient::Result<String> {
        let context = context.clone();
        let task = async move { context.once("call", async || Ok::<_, io::Error>(1)).await };
        let read: u32 = tokio::spawn(task).await??;
        Ok(read.to_string())
    }

    #[resilient_fn(type_id = "Child of discretion", register = false)]
    pub(super) async fn child((): ()) -> u32 {
        1
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn parent(
        _: first::Card,
        _: &mut Scrapbook<first::Book>,
        context: &Context,
    ) -> resilient::Result<String> {
        Ok(context.invoke::<child>("child", ()).await?.to_string())
    }

    #[derive(Debug, Serialize, Deserialize, Message)]
    #[message(name = "Paid")]
    pub(super) struct Paid(u32);

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn message(
        _: first::Card,
        _: &mut Scrapbook<first::Book>,
        context: &Context,
    ) -> resilient::Result<String> {
        match context.messages().try_next::<Paid>().await? {
            Some(paid) => Ok(paid.0.to_string()),
            None => Err(io::Error::other("there is none that reads").into()),
        }
    }

    #[resilient_fn(type_id = "Discreet", register = false)]
    pub(super) async fn result(
        card: first::Card,
        _: &mut Scrapbook<first::Book>,
    ) -> resilient::Result<BTreeMap<String, f64>> {
        Ok(BTreeMap::from([(card.0, f64::NAN)]))
    }
}

async fn start<F: ResilientFn>(store: &TestStore) -> Runtime {
    let builder = Runtime::builder(store.another().await).codec(SEAL).settings(quick());
    builder.register::<F>().register::<next::child>().start().await.expect("it starts")
}

/// Leaves an instance that has failed after it has stored something everywhere.
async fn failed_first(store: &TestStore) {
    let builder = Runtime::builder(store.clone()).codec(SEAL).settings(quick());
    let runtime =
        builder.register::<first::work>().register::<first::child>().start().await.expect("it starts");
    let card = first::Card("secret".to_owned());
    let found = failure(
        first::work::invoke_with(&runtime, "1", card, [first::Paid("secret".to_owned()).into()]).await,
    );
    assert_eq!(found.message, "it is to be run again");
    runtime.shutdown().await.expect("it ends");
}

/// Another deployment runs it again; what is stored of its failure and its wait quotes nothing.
async fn fails_in<F: ResilientFn>(store: &TestStore) -> Failure
where
    F::Output: std::fmt::Debug,
{
    let runtime = start::<F>(store).await;
    let found = failure(runtime.reinvoke::<F>("1").await);
    let row = stored(store, "Discreet", "1").await;
    assert_eq!(row.status, Status::Failed);
    let told = format!("{found:?} {:?} {:?}", row.failure, row.reason);
    assert!(!told.contains("secret"), "{told}");
    runtime.shutdown().await.expect("it ends");
    found
}

fn words(failure: &Failure) -> String {
    [failure.message.clone()].into_iter().chain(failure.sources.clone()).collect::<Vec<_>>().join(" | ")
}

on_every_store! {
    async fn data_that_does_not_read_is_not_quoted_beside_a_codec(store: TestStore) {
        failed_first(&store).await;
        let mistake = "invalid type: string, expected u32 at line 1 column";
        let book = std::any::type_name::<next::Book>();
        let card = std::any::type_name::<next::Card>();
        let cases = [
            (fails_in::<next::param>(&store).await, format!("version 1 of `u32` cannot be read: {mistake} 8")),
            (
                fails_in::<next::upgrade>(&store).await,
                format!(
                    "version 1 of `{card}` cannot be upgraded, the step to `{card}` failed: it may quote the value, so \
                     its words are left out"
                ),
            ),
            (fails_in::<next::scrapbook>(&store).await, format!("version 1 of `{book}` cannot be read: {mistake} 16")),
            (
                fails_in::<next::call>(&store).await,
                format!("the stored result of `call` cannot be read as `u32`: {mistake} 8"),
            ),
            (
                fails_in::<next::task>(&store).await,
                format!("the stored result of `call` cannot be read as `u32`: {mistake} 8"),
            ),
            (
                fails_in::<next::parent>(&store).await,
                format!("the stored result cannot be read | version 1 of `u32` cannot be read: {mistake} 8"),
            ),
        ];
        for (failure, expected) in cases {
            assert_eq!(words(&failure), expected);
        }
    }

    async fn a_message_that_does_not_read_is_not_quoted_beside_a_codec(store: TestStore) {
        failed_first(&store).await;
        assert_eq!(fails_in::<next::message>(&store).await.message, "there is none that reads");
        let runtime = start::<next::message>(&store).await;
        let panel = runtime.raw_control_panel("Discreet", "1").await.expect("it is there");
        let dead = panel.messages()[0].dead_letter().expect("it did not read");
        assert!(dead.ends_with("cannot be read: invalid type: string, expected u32 at line 1 column 8"), "{dead}");
    }

    async fn data_that_cannot_be_stored_is_not_quoted_beside_a_codec(store: TestStore) {
        failed_first(&store).await;
        let found = fails_in::<next::result>(&store).await.message;
        assert!(found.ends_with("cannot be stored: `[…]` is NaN, which JSON cannot hold; store an `Option` or an enum instead"), "{found}");
    }

    /// A codec that is only read with is about to be written with.
    async fn a_codec_that_only_reads_is_enough(store: TestStore) {
        failed_first(&store).await;
        let builder = Runtime::builder(store.another().await).reads_codec(SEAL).reads_codec(NEXT_SEAL);
        let runtime = builder.settings(quick()).register::<next::param>().start().await.expect("it starts");
        let found = failure(next::param::reinvoke(&runtime, "1").await);
        assert!(found.message.contains("string, expected u32"), "{found:?}");
    }
}
