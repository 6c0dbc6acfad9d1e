//! Data on its way through the store: whatever a function is given, keeps and says.

use resilient::prelude::*;
use resilient_tests::{TestStore, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{Probe, assert_postponed, builder, failure, ms, stored};

/// A page of bytes that mean nothing to anybody.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Page {
    bytes: Vec<u8>,
}

/// Keeps the bytes in its scrapbook, puts itself off, and says in its next run what it finds there.
#[resilient_fn(type_id = "Bytes", register = false)]
async fn bytes(bytes: Vec<u8>, page: &mut Scrapbook<Page>, context: &Context) -> resilient::Result<Vec<u8>> {
    if context.mode() == Mode::FirstRun {
        page.bytes = bytes;
        Err(Postpone::for_(ms(1)))?;
    }
    Ok(page.bytes.clone())
}

/// What a customer wants, in one of several forms.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Wish {
    Call { number: String },
    Mail { address: String, copies: u32 },
}

#[resilient_fn(type_id = "Contact", register = false)]
async fn contact(wish: Wish) -> Result<String, String> {
    match wish {
        Wish::Call { number } => Ok(format!("called {number}")),
        Wish::Mail { address, copies: 0 } => Err(format!("nothing to send to {address}")),
        Wish::Mail { address, copies } => Ok(format!("sent {copies} to {address}")),
    }
}

async fn runtime(store: &TestStore) -> Runtime {
    let builder = builder(store.clone(), &Probe::default()).register::<bytes>().register::<contact>();
    builder.start().await.expect("a runtime starts")
}

on_every_store! {
    /// As a parameter, in a scrapbook and as a result.
    async fn every_byte_comes_back_as_it_was(store: TestStore) {
        let runtime = runtime(&store).await;
        let every: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
        assert_postponed(bytes::invoke(&runtime, "1", every.clone()).await);
        assert_eq!(bytes::completion(&runtime, "1").await.expect("it succeeds"), every);
        let panel = bytes::control_panel(&runtime, "1").await.expect("it is there");
        assert_eq!((panel.param(), &panel.scrapbook().bytes), (&every, &every));
    }

    /// One function may take commands of several forms.
    async fn a_parameter_may_have_several_forms(store: TestStore) {
        let runtime = runtime(&store).await;
        let call = Wish::Call { number: "112".to_owned() };
        let mail = |copies| Wish::Mail { address: "anna@example.org".to_owned(), copies };
        assert_eq!(contact::invoke(&runtime, "1", call).await.expect("it succeeds"), "called 112");
        let sent = contact::invoke(&runtime, "2", mail(2)).await.expect("it succeeds");
        assert_eq!(sent, "sent 2 to anna@example.org");
        let refused = failure(contact::invoke(&runtime, "3", mail(0)).await);
        assert_eq!(refused.message, "nothing to send to anna@example.org");
        assert_eq!(stored(&store, "Contact", "1").await.param.body, r#"{"kind":"Call","number":"112"}"#);
    }
}
