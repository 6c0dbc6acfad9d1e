//! Data that a replica cannot decode: it is an error and never garbage, it is kept, and whoever can decode it gets it.

use std::fmt::Debug;
use std::sync::Arc;

use resilient::codec::{Codec, CodecError, Place};
use resilient::prelude::*;
use resilient::store::{Edit, Transition, Write, Written};
use resilient::{DecodeError, Due, Failure, Outgoing, Payload, SaveError, Store, StoredFunction};
use resilient_tests::{Kind, TestStore, eventually, on_every_store, open};
use serde::{Deserialize, Serialize};

use crate::codecs::{
    NEXT_SEAL, Reply, SEAL, Seal, WRONG_SEAL, begun, letter, plain, raw, reply, started, write, written,
};
use crate::common::{PATIENCE, Probe, failure, quick, secs, stored};

/// Masks every byte, and cannot tell a wrong key.
#[derive(Debug, Clone, Copy)]
struct Mask(u8);

impl Codec for Mask {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn encode(&self, json: &str, _: &Place<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(json.bytes().map(|byte| byte ^ self.0).collect())
    }

    fn decode(&self, stored: &[u8], _: &Place<'_>) -> Result<String, CodecError> {
        let bytes = stored.iter().map(|byte| byte ^ self.0).collect();
        String::from_utf8(bytes).map_err(|_| CodecError::new("it is not text"))
    }
}

/// Refuses what it does not like, in one of several ways.
struct Fussy;

impl Codec for Fussy {
    fn name(&self) -> &'static str {
        "fussy"
    }

    fn encode(&self, json: &str, _: &Place<'_>) -> Result<Vec<u8>, CodecError> {
        assert!(!json.contains("panic"), "told to panic");
        if json.contains("refuse") {
            return Err(CodecError::new("told to refuse"));
        }
        Ok(if json.contains("grow") { vec![0; 12 * 1024 * 1024] } else { json.as_bytes().to_vec() })
    }

    fn decode(&self, stored: &[u8], _: &Place<'_>) -> Result<String, CodecError> {
        String::from_utf8(stored.to_vec()).map_err(|_| CodecError::new("it is not text"))
    }
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Draft {
    text: String,
}

/// Keeps the first word in its scrapbook and says the second one.
#[resilient_fn(type_id = "Echo", register = false)]
async fn echo(
    words: (String, String),
    draft: &mut Scrapbook<Draft>,
    probe: Dep<Probe>,
) -> resilient::Result<String> {
    draft.text = words.0.replace('_', "");
    if let Err(error) = draft.save().await {
        let is_typed =
            matches!(&error, SaveError::Codec { field: "scrapbook", codec, .. } if codec == "fussy");
        probe.note(format!("{is_typed}: {error}"));
        draft.text.clear();
    }
    Ok(words.1.replace('_', ""))
}

/// Notes what its codec refuses.
#[resilient_fn(type_id = "Doze under a codec", register = false)]
async fn doze(_: u8, context: &Context) -> resilient::Result<()> {
    Ok(context.sleep("refuse", secs(3_600)).await?)
}

#[track_caller]
fn assert_undecoded<T: Debug>(answer: Result<T, InvokeError>, expected: &str) {
    match answer {
        Err(InvokeError::Decode { field, source: DecodeError::Codec { codec, .. } }) => {
            assert_eq!((field, codec.as_str()), (expected, "seal-1"));
        }
        other => panic!("undecoded data was expected: {other:?}"),
    }
}

#[track_caller]
fn assert_kept(row: &StoredFunction, before: &StoredFunction) {
    assert_eq!(
        (&row.param, &row.scrapbook, &row.journal, row.message_count),
        (&before.param, &before.scrapbook, &before.journal, before.message_count)
    );
}

/// Makes the instance due at once.
async fn due_now(store: &TestStore) {
    let edit = Edit::of(&raw(store).await, Transition::Wait(Due::Now));
    assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store works"), [Written::Done]);
}

/// Another process takes it and fails it, with this failure, and keeps what is stored.
async fn fails_in(codec: Seal, store: &TestStore, probe: &Probe, field: &'static str) {
    let before = raw(store).await;
    let runtime = started(plain(store.another().await, probe).codec(codec)).await;
    let text = format!(
        "codec `seal-1` refuses the stored {field}: the seal is broken; give the builder the codec and the key that \
         wrote it, and invoke it again"
    );
    let expected = Failure::new(format!("unreadable {field}"), text);
    assert_eq!(failure(write::completion(&runtime, "1").await), expected);
    let failed = raw(store).await;
    assert_eq!((failed.status, probe.runs()), (Status::Failed, 1), "its body has not run again");
    assert_kept(&failed, &before);
    assert_undecoded(write::reinvoke(&runtime, "1").await, field);
    assert_eq!(raw(store).await, failed, "what is refused changes nothing");
    is_shown_as_stored(&runtime, &failed, field).await;
    runtime.shutdown().await.expect("it ends");
}

/// A raw panel opens it, and a typed one does not.
async fn is_shown_as_stored(runtime: &Runtime, failed: &StoredFunction, field: &str) {
    let tool = runtime.raw_control_panel("Letter", "1").await.expect("a raw panel opens it");
    let shown = tool.stored();
    let is_shown = match field {
        "parameter" => shown.param == failed.param,
        "scrapbook" => shown.scrapbook == failed.scrapbook,
        _ => shown.journal == failed.journal,
    };
    assert!(is_shown, "and shows what is stored: {shown:?}");
    if field != "journal" {
        assert_undecoded(write::control_panel(runtime, "1").await, field);
    }
}

/// Who has the right key goes on where it stopped.
async fn is_mended(store: &TestStore, probe: &Probe) {
    let runtime = started(plain(store.another().await, probe).codec(SEAL)).await;
    assert_eq!(write::reinvoke(&runtime, "1").await.expect("it succeeds"), written());
}

/// To end it nothing of it need be decoded; and the store puts off nothing that is to end.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_cancelled_ends_without_its_codec() {
    let store = open(Kind::Memory).await.expect("memory is always there");
    let probe = Probe::default();
    begun(plain(store.clone(), &probe).codec(SEAL), &store, &probe).await;
    let before = raw(&store).await;
    let lacking = started(plain(store.another().await, &probe).take_no_work()).await;
    lacking.cancel::<write>("1").await.expect("it has not ended");
    assert_eq!(raw(&store).await.status, Status::Executing);
    let lacking = started(plain(store.another().await, &probe)).await;
    assert_eq!(failure(write::completion(&lacking, "1").await).type_name, "cancelled");
    assert_kept(&raw(&store).await, &before);
}

on_every_store! {
    /// Old code never touches what new code wrote: it may be read by somebody else.
    async fn a_replica_without_the_codec_leaves_it_to_another_one(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe).codec(SEAL), &store, &probe).await;
        let before = raw(&store).await;
        for lacking in [plain(store.another().await, &probe), plain(store.another().await, &probe).codec(NEXT_SEAL)] {
            let lacking = started(lacking).await;
            eventually(PATIENCE, async || raw(&store).await.reason.is_some()).await;
            let row = raw(&store).await;
            assert_eq!((row.status, probe.runs()), (Status::Postponed, 1));
            assert_eq!(row.attempts, before.attempts, "it has not been tried");
            let reason = "stored with codec `seal-1`, which this replica does not have";
            assert_eq!(row.reason.as_deref(), Some(reason));
            assert_eq!(row.due_at.map(|due| due.saturating_since(row.updated_at)), Some(secs(10)));
            assert_kept(&row, &before);
            assert!(lacking.reason(&row).await.expect("the store is there").starts_with(reason));
            assert_undecoded(write::reinvoke(&lacking, "1").await, "parameter");
            assert_undecoded(write::control_panel(&lacking, "1").await, "parameter");
            let tool = lacking.raw_control_panel("Letter", "1").await.expect("a raw panel opens it");
            assert_undecoded(tool.journal(), "journal");
            assert_eq!(raw(&store).await, row, "looking changes nothing");
            lacking.shutdown().await.expect("it ends");
            due_now(&store).await;
        }
        let able = started(plain(store.another().await, &probe).codec(SEAL)).await;
        assert_eq!(write::completion(&able, "1").await.expect("it succeeds"), written());
    }

    /// Written all the same, it would be refused again and again, and the instance would never come to an end.
    async fn a_journal_that_its_codec_refuses_fails_the_run(store: TestStore) {
        let runtime = Runtime::builder(store.clone()).codec(Fussy).settings(quick()).register::<doze>();
        let runtime = runtime.start().await.expect("it starts");
        let found = failure(doze::invoke(&runtime, "1", 0).await);
        let text = "the journal cannot be stored, for codec `fussy` refuses it: told to refuse";
        assert_eq!(found, Failure::new("outcome that cannot be stored", text));
        assert_eq!(stored(&store, "Doze under a codec", "1").await.journal, None);
    }

    async fn a_result_that_is_not_decoded_is_a_typed_error(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let able = started(plain(store.clone(), &probe).codec(SEAL)).await;
        write::invoke_with(&able, "1", letter(), [reply().into()]).await.expect("it succeeds");
        let row = raw(&store).await;
        for lacking in [plain(store.another().await, &probe), plain(store.another().await, &probe).codec(WRONG_SEAL)] {
            let lacking = started(lacking).await;
            assert_undecoded(write::invoke(&lacking, "1", letter()).await, "result");
            assert_undecoded(write::completion(&lacking, "1").await, "result");
        }
        assert_eq!((raw(&store).await, probe.runs()), (row, 1));
    }

    async fn a_wrong_key_fails_it_and_keeps_what_is_stored(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe).codec(SEAL), &store, &probe).await;
        fails_in(WRONG_SEAL, &store, &probe, "parameter").await;
        is_mended(&store, &probe).await;
    }

    /// Of what was stored before there was a codec, the parameter reads and the scrapbook does not.
    async fn a_scrapbook_that_the_codec_refuses_fails_it(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe), &store, &probe).await;
        let onlooker = plain(store.another().await, &probe).codec(SEAL).take_no_work();
        let onlooker = started(onlooker).await;
        write::schedule_after(&onlooker, "2", letter(), secs(3600)).await.expect("it is stored");
        // A version 1 of something that is sealed, and not the scrapbook of this instance.
        let foreign = stored(&store, "Letter", "2").await.param;
        let edit = Edit { scrapbook: Some(foreign), ..Edit::of(&raw(&store).await, Transition::Wait(Due::Now)) };
        assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store works"), [Written::Done]);
        fails_in(SEAL, &store, &probe, "scrapbook").await;
    }

    /// A value belongs to its place: it cannot be moved to another instance, or to another field.
    async fn a_value_of_another_row_is_refused(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe).codec(SEAL), &store, &probe).await;
        let onlooker = plain(store.another().await, &probe).codec(SEAL).take_no_work();
        let onlooker = started(onlooker).await;
        write::schedule_after(&onlooker, "2", letter(), secs(3600)).await.expect("it is stored");
        let own = raw(&store).await;
        let foreign = stored(&store, "Letter", "2").await.param;
        let edit = Edit { param: Some(foreign), ..Edit::of(&own, Transition::Wait(Due::Now)) };
        assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store works"), [Written::Done]);
        fails_in(SEAL, &store, &probe, "parameter").await;
        let scrapbook = own.scrapbook.clone().expect("it has one");
        let edit = Edit { param: Some(own.param), journal: Some(scrapbook.body), ..Edit::of(&raw(&store).await, Transition::Wait(Due::Now)) };
        assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store works"), [Written::Done]);
        fails_in(SEAL, &store, &probe, "journal").await;
    }

    async fn a_codec_that_cannot_tell_a_wrong_key_makes_no_garbage(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe).codec(Mask(0x55)), &store, &probe).await;
        let before = raw(&store).await;
        let wrong = started(plain(store.another().await, &probe).codec(Mask(0x54))).await;
        let found = failure(write::completion(&wrong, "1").await);
        assert_eq!(found.type_name, "unreadable parameter");
        assert!(found.message.contains("what it decodes is not JSON"), "{found:?}");
        assert_kept(&raw(&store).await, &before);
        wrong.shutdown().await.expect("it ends");
        let right = started(plain(store.another().await, &probe).codec(Mask(0x55))).await;
        assert_eq!(write::reinvoke(&right, "1").await.expect("it succeeds"), written());
    }

    /// It has come in time, and is left to a replica that has its codec.
    async fn a_message_of_another_codec_is_left_alone(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let able = started(plain(store.clone(), &probe).codec(SEAL).take_no_work()).await;
        let lacking = started(plain(store.another().await, &probe)).await;
        write::schedule(&lacking, "1", letter()).await.expect("it is stored");
        eventually(PATIENCE, async || raw(&store).await.status == Status::Suspended).await;
        write::send(&able, "1", reply()).await.expect("it is stored");
        let says = |row: &StoredFunction| row.reason.as_deref().unwrap_or_default().contains("with codec `seal-1`");
        eventually(PATIENCE, async || says(&raw(&store).await)).await;
        let row = raw(&store).await;
        assert_eq!(row.status, Status::Suspended);
        assert!(row.due_at > Some(row.updated_at), "it is looked at again, and not again and again");
        let tool = lacking.raw_control_panel("Letter", "1").await.expect("it is there");
        assert!(tool.dead_letters().is_empty(), "it is not set aside");
        assert_undecoded(tool.messages()[0].read::<Reply>(), "message");
        lacking.shutdown().await.expect("it ends");
        assert_eq!(write::reinvoke(&able, "1").await.expect("it succeeds"), written());
    }

    /// No replica that has its codec reads it, until it has the key.
    async fn a_message_that_its_codec_refuses_is_set_aside(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let wrong = started(plain(store.clone(), &probe).reads_codec(WRONG_SEAL)).await;
        let right = started(plain(store.another().await, &probe).codec(SEAL).take_no_work()).await;
        write::schedule(&wrong, "1", letter()).await.expect("it is stored");
        eventually(PATIENCE, async || raw(&store).await.status == Status::Suspended).await;
        write::send(&right, "1", Outgoing::from(reply()).with_key("lost")).await.expect("it is stored");
        eventually(PATIENCE, async || {
            let tool = wrong.raw_control_panel("Letter", "1").await.expect("it is there");
            tool.dead_letters().len() == 1
        })
        .await;
        wrong.shutdown().await.expect("it ends");
        // An edit of another message leaves it as it is stored.
        let onlooker = started(plain(store.another().await, &probe).take_no_work()).await;
        let mut tool = onlooker.raw_control_panel("Letter", "1").await.expect("it is there");
        assert_eq!((tool.messages().len(), tool.messages()[0].key()), (1, "lost"));
        let kept = tool.messages()[0].payload().clone();
        tool.add_message(resilient::NewMessage { name: "Other".to_owned(), payload: Payload::new(1, "1"), key: "2".to_owned() }).expect("it is JSON");
        tool.postpone_for(secs(3600)).await.expect("nobody else was there");
        let tool = onlooker.raw_control_panel("Letter", "1").await.expect("it is there");
        assert_eq!((tool.messages().len(), tool.messages()[0].payload()), (2, &kept));
        assert_eq!(write::reinvoke(&right, "1").await.expect("it succeeds"), written());
    }

    /// Bad input is told to whoever gives it, and nothing is stored.
    async fn what_a_codec_refuses_is_a_typed_error(store: TestStore) {
        let probe = Probe::default();
        let runtime = plain(Arc::clone(&store), &probe).codec(Fussy).register::<echo>();
        let runtime = started(runtime).await;
        let words = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let large = "encoded it has 16777232 bytes; at most 15728640 are stored";
        for (word, problem) in [("panic", "the codec panicked"), ("refuse", "told to refuse"), ("grow", large)] {
            let text = |field| format!("the {field} cannot be stored, for codec `fussy` refuses it: {problem}");
            let refused = echo::invoke(&runtime, word, words(word, "")).await;
            assert!(matches!(refused, Err(InvokeError::Codec { field: "parameter", .. })), "{refused:?}");
            assert_eq!(refused.expect_err("refused").to_string(), text("parameter"));
            let gone = echo::control_panel(&runtime, word).await;
            assert!(matches!(gone, Err(InvokeError::NotFound { .. })), "{gone:?}");
            // The body makes the word of it that the codec refuses.
            let hidden = word.replacen(&word[1..2], &format!("_{}", &word[1..2]), 1);
            let found = failure(echo::invoke(&runtime, format!("{word}-result"), words("", &hidden)).await);
            assert_eq!(found, Failure::new("outcome that cannot be stored", text("result")));
            let said = echo::invoke(&runtime, format!("{word}-scrapbook"), words(&hidden, "said")).await;
            assert_eq!(said.expect("it succeeds"), "said");
            assert_eq!(probe.notes().last(), Some(&format!("true: {}", text("scrapbook"))));
            let message = Reply { text: word.to_owned() };
            let sent = runtime.send::<echo>(format!("{word}-result"), message).await;
            assert_eq!(sent.expect_err("refused").to_string(), text("message"));
            let mut panel = echo::control_panel(&runtime, format!("{word}-result")).await.expect("it is there");
            word.clone_into(&mut panel.scrapbook_mut().text);
            assert_eq!(panel.save().await.expect_err("refused").to_string(), text("scrapbook"));
        }
    }
}
