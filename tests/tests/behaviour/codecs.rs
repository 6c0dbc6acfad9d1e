//! Data in another form than JSON: everything a run stores goes through the codec, and comes back.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use resilient::codec::{Codec, CodecError, MessagePack, Place};
use resilient::prelude::*;
use resilient::store::After;
use resilient::{Builder, FunctionId, Payload, StartError, Store, StoredFunction};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::{Kind, TestStore, on_every_store, open};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::common::{Probe, crash, failed, failure, ms, quick, stored};

/// Looks like an encryption, and is none: a nonce, a mask of it and the key, and a keyed sum over text and place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    pub(crate) name: &'static str,
    pub(crate) key: u64,
}

pub(crate) const SEAL: Seal = Seal { name: "seal-1", key: 1 };
pub(crate) const NEXT_SEAL: Seal = Seal { name: "seal-2", key: 2 };
/// Another key under the same name, as after a mistake in a configuration.
pub(crate) const WRONG_SEAL: Seal = Seal { name: "seal-1", key: 3 };

fn sum(parts: impl Hash) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

impl Seal {
    fn masked(self, nonce: [u8; 8], bytes: &[u8]) -> Vec<u8> {
        let blocks = bytes.chunks(8).zip(0_u64..);
        let masked = blocks.flat_map(|(block, at)| {
            let mask = sum((self.key, nonce, at));
            block.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>()
        });
        masked.collect()
    }
}

impl Codec for Seal {
    fn name(&self) -> &str {
        self.name
    }

    fn encode(&self, json: &str, place: &Place<'_>) -> Result<Vec<u8>, CodecError> {
        let nonce = Uuid::new_v4().as_u64_pair().0.to_be_bytes();
        let check = sum((self.key, json, place.associated_data()));
        Ok([&nonce, &check, self.masked(nonce, json.as_bytes()).as_slice()].concat())
    }

    fn decode(&self, stored: &[u8], place: &Place<'_>) -> Result<String, CodecError> {
        let wrong = || CodecError::new("the seal is broken");
        let (nonce, rest) = stored.split_first_chunk().ok_or_else(wrong)?;
        let (check, masked) = rest.split_first_chunk().ok_or_else(wrong)?;
        let json = String::from_utf8(self.masked(*nonce, masked)).map_err(|_| wrong())?;
        let is_mine = *check == sum((self.key, json.as_str(), place.associated_data()));
        if is_mine { Ok(json) } else { Err(wrong()) }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) text: String,
    pub(crate) weight: f64,
    pub(crate) number: u64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Desk {
    pub(crate) notes: Vec<String>,
    pub(crate) stamp: AtMostOnce<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Message)]
pub(crate) struct Reply {
    pub(crate) text: String,
}

/// Keeps something in every place that there is: what it keeps says `secret`.
#[resilient_fn(type_id = "Letter", register = false)]
pub(crate) async fn write(
    letter: Letter,
    desk: &mut Scrapbook<Desk>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<Letter> {
    let note = format!("secret note {}", desk.notes.len());
    desk.notes.push(note);
    desk.save().await?;
    let buy = || async { Ok::<_, io::Error>("secret stamp".to_owned()) };
    let stamp = desk.at_most_once(|desk| &mut desk.stamp, buy).await?;
    let weigh = || async { Ok::<_, io::Error>("secret scales".to_owned()) };
    let scales: String = context.once("weigh", weigh).await?;
    probe.begin();
    probe.gate().await;
    let reply = context.messages().next::<Reply>().await?;
    Ok(Letter { text: [letter.text, stamp, scales, reply.text].join(", "), ..letter })
}

pub(crate) fn letter() -> Letter {
    Letter { text: "secret \"é\" 🍣".to_owned(), weight: 0.1 + 0.2, number: u64::MAX }
}

pub(crate) fn written() -> Letter {
    Letter { text: "secret \"é\" 🍣, secret stamp, secret scales, secret reply".to_owned(), ..letter() }
}

pub(crate) fn reply() -> Reply {
    Reply { text: "secret reply".to_owned() }
}

/// A process without a codec.
pub(crate) fn plain(store: impl Store, probe: &Probe) -> Builder {
    Runtime::builder(store).dep(probe.clone()).settings(quick()).register::<write>()
}

pub(crate) async fn started(builder: Builder) -> Runtime {
    builder.start().await.expect("it starts")
}

/// The instance as the database has it.
pub(crate) async fn raw(store: &TestStore) -> StoredFunction {
    stored(store, "Letter", "1").await
}

/// Everything that an encoded instance has, and what its messages say, as the database has it.
async fn raw_bodies(store: &TestStore) -> Vec<String> {
    let row = raw(store).await;
    let all = [After { id: FunctionId::new("Letter", "1"), position: 0 }];
    let messages = store.messages(&all, 100).await.expect("the store is there").remove(0);
    let payloads = [Some(row.param), row.scrapbook, row.result];
    let payloads = payloads.into_iter().flatten().chain(messages.into_iter().map(|message| message.payload));
    payloads.map(|payload| payload.body).chain(row.journal).collect()
}

#[track_caller]
fn assert_encoded(body: &str, codec: &str) {
    assert!(body.starts_with(&format!("resilient:{codec}:")), "by {codec}: {body}");
}

/// Lets an instance run half-way, as long as the gate is closed, and ends its process.
pub(crate) async fn begun(builder: Builder, store: &TestStore, probe: &Probe) {
    let runtime = started(builder).await;
    write::schedule_with(&runtime, "1", letter(), [reply().into()]).await.expect("it is stored");
    probe.begun(1).await;
    crash(runtime, store).await;
    probe.open();
}

async fn goes_through<C: Codec + Copy>(codec: C, store: &TestStore) {
    let probe = Probe::default();
    begun(plain(store.clone(), &probe).codec(codec), store, &probe).await;
    let next = started(plain(store.another().await, &probe).codec(codec)).await;
    assert_eq!(write::completion(&next, "1").await.expect("it succeeds"), written());
    assert_eq!(write::invoke(&next, "1", letter()).await.expect("it has succeeded"), written());
    let bodies = raw_bodies(store).await;
    assert_eq!(bodies.len(), 5, "parameter, scrapbook, result, message and journal");
    for body in bodies {
        assert_encoded(&body, codec.name());
        assert!(!body.contains("secret"), "{body}");
    }
    is_shown_as_json(&next).await;
}

/// To tools everything is as it was given.
async fn is_shown_as_json(next: &Runtime) {
    let panel = write::control_panel(next, "1").await.expect("it is there");
    assert_eq!((panel.param(), panel.result().expect("it reads")), (&letter(), Some(written())));
    assert_eq!(panel.scrapbook().notes, ["secret note 0", "secret note 1"]);
    assert_eq!(panel.messages()[0].read::<Reply>().expect("it reads"), Some(reply()));
    assert!(panel.journal().expect("it reads").once.contains_key("weigh"));
    let listed = next.list(&resilient::Filter::default()).await.expect("the store is there");
    assert_eq!(listed, [next.raw_control_panel("Letter", "1").await.expect("it is there").stored().clone()]);
    assert!(listed[0].param.body.starts_with(r#"{"text":"secret"#), "tools see JSON: {listed:?}");
}

on_every_store! {
    async fn everything_is_stored_as_messagepack_and_comes_back(store: TestStore) {
        goes_through(MessagePack, &store).await;
    }

    /// Its own codec, whose bytes are others each time.
    async fn everything_is_stored_as_a_codec_of_the_users_makes_it(store: TestStore) {
        goes_through(SEAL, &store).await;
    }

    /// What was stored as JSON is read as it is, and what is written from then on is encoded; and back again.
    async fn a_codec_is_introduced_over_stored_data(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe), &store, &probe).await;
        let before = raw(&store).await;
        let next = started(plain(store.another().await, &probe).codec(SEAL)).await;
        assert_eq!(write::completion(&next, "1").await.expect("it succeeds"), written());
        let row = raw(&store).await;
        assert_eq!(row.param, before.param, "what is not written anew stays as it was");
        assert_encoded(&row.scrapbook.expect("it has one").body, "seal-1");
        assert_encoded(&row.result.expect("it has one").body, "seal-1");
        next.shutdown().await.expect("it ends");
        let back = started(plain(store.another().await, &probe).reads_codec(SEAL)).await;
        assert_eq!(write::reinvoke(&back, "1").await.expect("it succeeds again"), written());
        let result = raw(&store).await.result.expect("it has one");
        assert!(result.body.starts_with('{'), "who only reads a codec writes JSON: {result:?}");
    }

    /// The new key reaches every replica as a reader first; the old one stays until nothing is stored with it.
    async fn another_key_is_introduced_in_two_steps(store: TestStore) {
        let probe = Probe::default();
        begun(plain(store.clone(), &probe).codec(SEAL).reads_codec(NEXT_SEAL), &store, &probe).await;
        let before = raw(&store).await;
        let next = started(plain(store.another().await, &probe).codec(NEXT_SEAL).reads_codec(SEAL)).await;
        assert_eq!(write::completion(&next, "1").await.expect("it succeeds"), written());
        let row = raw(&store).await;
        assert_eq!(row.param, before.param);
        assert_encoded(&row.param.body, "seal-1");
        assert_encoded(&row.scrapbook.expect("it has one").body, "seal-2");
        assert_encoded(&row.result.expect("it has one").body, "seal-2");
        // A replica of the first step reads what one of the second has written.
        let first = started(plain(store.another().await, &probe).codec(SEAL).reads_codec(NEXT_SEAL)).await;
        assert_eq!(write::completion(&first, "1").await.expect("it succeeds"), written());
    }

    async fn panels_show_and_edit_json(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let runtime = started(plain(store.clone(), &probe).codec(SEAL)).await;
        assert_eq!(write::invoke_with(&runtime, "1", letter(), [reply().into()]).await.expect("it succeeds"), written());
        let mut panel = write::control_panel(&runtime, "1").await.expect("it is there");
        "secret edit".clone_into(&mut panel.param_mut().text);
        panel.scrapbook_mut().stamp = AtMostOnce::Done("secret ink".to_owned());
        panel.replace_message(1, Reply { text: "secret post".to_owned() }).expect("it is there");
        panel.save().await.expect("nobody else was there");
        assert_eq!(panel.param().text, "secret edit");
        assert_eq!(panel.reinvoke().await.expect("it succeeds").text, "secret edit, secret ink, secret scales, secret post");
        let mut tool = runtime.raw_control_panel("Letter", "1").await.expect("it is there");
        let param = Payload::new(1, r#"{"text": "secret raw", "weight": 1, "number": 1}"#);
        tool.set_param(param.clone()).expect("it is JSON");
        tool.save().await.expect("nobody else was there");
        assert_eq!(tool.param(), &param, "to the letter, as it was given");
        tool.succeed(Payload::new(1, r#"{"text":"secret end","weight":1.5,"number":1}"#)).await.expect("it is JSON");
        assert_eq!(write::completion(&runtime, "1").await.expect("it succeeds").text, "secret end");
        for body in raw_bodies(&store).await {
            assert_encoded(&body, "seal-1");
            assert!(!body.contains("secret"), "{body}");
        }
    }

    /// A person says what has happened to a call, and the run goes on with it.
    async fn an_unknown_call_is_resolved_under_a_codec(store: TestStore) {
        let runtime = Runtime::builder(store.clone()).settings(quick()).codec(MessagePack).register::<calls>();
        let runtime = started(runtime).await;
        let found = failure(calls::invoke(&runtime, "1", ()).await);
        assert_eq!(found.type_name, "unknown outcome");
        let mut panel = calls::control_panel(&runtime, "1").await.expect("it is there");
        assert_eq!(panel.unknown_calls().expect("the journal reads"), ["ring"]);
        panel.resolve_call("ring").expect("it is unknown").done(&1.10).expect("it is stored");
        assert_eq!(panel.reinvoke().await.map_err(|error| error.to_string()), Ok(1.10));
    }
}

#[resilient_fn(type_id = "Calls", register = false)]
async fn calls((): (), context: &Context) -> resilient::Result<f64> {
    let ring = || async { Err::<f64, _>(io::Error::other("the line is dead")) };
    Ok(context.once("ring", ring).await?)
}

/// A write whose answer was lost is recognised by what it means, for its bytes are never the same again.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_changes_nothing_under_a_codec() {
    let fresh = async || open(Kind::Memory).await.expect("memory is always there");
    let runs = at_every_call(&Fault::ERRORS, fresh, async |store| {
        let probe = Probe::default();
        probe.open();
        let counted = store.clone().counting_only(&[Call::Write, Call::Claim, Call::Messages, Call::Get]);
        let settings = quick().stay_in_memory(ms(1));
        let runtime = started(plain(counted, &probe).settings(settings).codec(SEAL)).await;
        while write::schedule(&runtime, "1", letter()).await.is_err() {}
        let message = || Outgoing::from(reply()).with_key("only");
        while write::send(&runtime, "1", message()).await.is_err() {}
        assert_eq!(write::completion(&runtime, "1").await.expect("it succeeds"), written());
        let mut panel = write::control_panel(&runtime, "1").await;
        while panel.is_err() {
            panel = write::control_panel(&runtime, "1").await;
        }
        let mut panel = panel.expect("it is there");
        panel.param_mut().number = 7;
        panel.replace_message(1, reply()).expect("it is there");
        panel.fail(failed("person", "no more", &[])).await.expect("nobody else was there");
        assert_eq!(failure(write::completion(&runtime, "1").await).message, "no more");
    });
    assert!(runs.await > 10);
}

/// The name is stored, and two codecs of one name could not be told apart.
#[tokio::test]
async fn codecs_that_cannot_be_told_apart_are_refused_at_the_start() {
    let builder = Runtime::builder(InMemoryStore::new()).codec(SEAL).reads_codec(WRONG_SEAL);
    let builder = builder.reads_codec(Seal { name: "a:b", key: 1 }).reads_codec(Seal { name: "", key: 1 });
    let Err(StartError::Problems(problems)) = builder.start().await else { panic!("problems were expected") };
    let shape = "is stored; give 1 to 40 letters, digits, `-`, `_` and `.`";
    let expected = [
        format!("the name of codec `a:b` {shape}"),
        format!("the name of codec `` {shape}"),
        "there are two codecs `seal-1`; another form or key is another name".to_owned(),
    ];
    assert_eq!(problems, expected);
}
