//! The messages of an instance in a control panel: shown as they are stored, edited under compare-and-set.

use std::time::SystemTime;

use resilient::prelude::*;
use resilient::store::After;
use resilient::store::{Append, Write, Written};
use resilient::{DeadLetter, Journal, NewMessage, Payload, RawControlPanel, Store, StoredMessage};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::{FaultyStore, TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{PATIENCE, Probe, builder, failure, json, onlooker, refusal, secs, stored};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Message)]
struct Paid {
    amount: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Message)]
struct Shipped {
    parcel: u32,
}

/// Fails until its parameter says otherwise, and then adds up what was paid until something is shipped.
#[resilient_fn(type_id = "Posted", register = false)]
async fn posted(ready: bool, context: &Context, probe: Dep<Probe>) -> resilient::Result<f64> {
    probe.begin();
    if !ready {
        return Err(resilient::Error::msg("not ready"));
    }
    let mut sum = 0.0;
    loop {
        match context.messages().next::<Either<Paid, Shipped>>().await? {
            Either::First(paid) => sum += paid.amount,
            Either::Second(_) => return Ok(sum),
        }
    }
}

type Panel = ControlPanel<posted>;

async fn start(store: &TestStore, probe: &Probe) -> Runtime {
    let builder = builder(store.another().await, probe).register::<posted>();
    builder.start().await.expect("a runtime starts")
}

/// An instance that has failed, with messages under the keys `a`, `b` and `c`.
async fn failed(runtime: &Runtime, id: &str) -> Panel {
    failure(posted::invoke(runtime, id, false).await);
    for (key, amount) in [("a", 1.5), ("b", 2.5), ("c", 4.0)] {
        let paid = Outgoing::from(Paid { amount }).with_key(key);
        posted::send(runtime, id, paid).await.expect("it is there");
    }
    open(runtime, id).await
}

async fn open(runtime: &Runtime, id: &str) -> Panel {
    posted::control_panel(runtime, id).await.expect("it is there")
}

async fn open_raw(runtime: &Runtime, id: &str) -> RawControlPanel {
    runtime.raw_control_panel("Posted", id).await.expect("it is there")
}

/// Positions, keys and payloads, as the panel shows them.
fn shown(panel: &Panel) -> Vec<(i64, String, String)> {
    let shown = panel.messages().iter();
    shown.map(|one| (one.position(), one.key().to_owned(), one.payload().body.clone())).collect()
}

/// Positions, keys and payloads, as they are stored.
async fn kept(store: &impl Store, id: &str) -> Vec<(i64, String, String)> {
    let row = stored(store, "Posted", id).await;
    let wanted = After { id: row.id, position: 0 };
    let mut messages = store.messages(&[wanted], 10_000).await.expect("the store is there");
    let messages: Vec<StoredMessage> = messages.remove(0);
    assert_eq!(usize::try_from(row.message_count), Ok(messages.len()), "the count is that of the messages");
    messages.into_iter().map(|one| (one.position, one.key, one.payload.body)).collect()
}

fn list(messages: &[(i64, &str, &str)]) -> Vec<(i64, String, String)> {
    messages.iter().map(|&(position, key, body)| (position, key.to_owned(), body.to_owned())).collect()
}

fn new(name: &str, payload: Payload, key: &str) -> NewMessage {
    NewMessage { name: name.to_owned(), payload, key: key.to_owned() }
}

fn changed(id: &str) -> String {
    format!("`Posted/{id}` has changed since it was read; reload it and decide again")
}

/// Notes two messages as unreadable, as a run does.
async fn set_aside(runtime: &Runtime, id: &str) {
    let mut raw = open_raw(runtime, id).await;
    let mut journal = Journal::default();
    for position in [1, 3] {
        let reason = format!("{position} is no number");
        journal.dead_letters.insert(position, DeadLetter { name: "Paid".to_owned(), reason });
    }
    raw.set_journal(journal);
    raw.save().await.expect("nobody else was there");
}

fn reasons(panel: &Panel) -> Vec<(i64, String)> {
    let dead = panel.dead_letters().into_iter();
    dead.map(|one| (one.position(), one.dead_letter().unwrap_or_default().to_owned())).collect()
}

/// A verb that stores edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Save,
    Schedule,
    Postpone,
    Fail,
    Succeed,
    Reinvoke,
}

impl Verb {
    const ALL: [Self; 6] =
        [Self::Save, Self::Schedule, Self::Postpone, Self::Fail, Self::Succeed, Self::Reinvoke];

    async fn apply(self, mut panel: Panel) -> Result<(), InvokeError> {
        match self {
            Self::Save => panel.save().await,
            Self::Schedule => panel.schedule_reinvoke().await,
            Self::Postpone => panel.postpone_for(secs(3600)).await,
            Self::Fail => panel.fail(crate::common::by_a_person()).await,
            Self::Succeed => panel.succeed(7.0).await,
            Self::Reinvoke => match panel.reinvoke().await {
                // It was run with the edits, and its parameter lets it fail.
                Err(InvokeError::Failed(_)) => Ok(()),
                ended => ended.map(drop),
            },
        }
    }
}

on_every_store! {
    /// With everything that is known of them, in their order, and read as what they are.
    async fn messages_are_shown_as_they_are_stored(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        let before = SystemTime::now() - secs(60);
        let panel = failed(&runtime, "1").await;
        let first = panel.messages().first().expect("there are three");
        assert_eq!((first.position(), first.name(), first.key()), (1, "Paid", "a"));
        assert_eq!((first.payload(), first.dead_letter()), (&json(r#"{"amount":1.5}"#), None));
        let sent_at = first.sent_at().expect("it is stored");
        assert!(sent_at > before && sent_at < SystemTime::now() + secs(60));
        assert_eq!(first.read::<Paid>().expect("it can be read"), Some(Paid { amount: 1.5 }));
        assert_eq!(first.read::<Shipped>().expect("it is no such message"), None);
        let either = first.read::<Either<Shipped, Paid>>().expect("it is one of them");
        assert_eq!(either, Some(Either::Second(Paid { amount: 1.5 })));
        assert_eq!(shown(&panel), kept(&store, "1").await);
        assert_eq!(panel.dead_letters().len(), 0);
        let raw = open_raw(&runtime, "1").await;
        assert_eq!(raw.messages(), panel.messages());
        let poison = new("Paid", json(r#""much""#), "d");
        let append = Append { id: raw.id().clone(), messages: vec![poison] };
        assert_eq!(store.write(&[Write::Append(append)]).await.expect("it is there"), [Written::Done]);
        let panel = open(&runtime, "1").await;
        let unreadable = panel.messages().last().expect("there are four").read::<Paid>();
        assert!(matches!(unreadable, Err(InvokeError::Decode { field: "message", .. })), "{unreadable:?}");
    }

    /// Replaced under its own key, removed, added: all at once, with the positions that the panel shows.
    async fn edits_of_messages_are_stored_by_the_next_verb(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        for verb in Verb::ALL {
            let id = format!("{verb:?}");
            let mut panel = failed(&runtime, &id).await;
            let before = kept(&store, &id).await;
            let epoch = panel.epoch();
            panel.replace_message(2, Paid { amount: 20.0 }).expect("it is there");
            panel.remove_message(1).expect("it is there");
            panel.add_message(Outgoing::from(Shipped { parcel: 7 }).with_key("d")).expect("the key is free");
            let expected = [(1, "b", r#"{"amount":20.0}"#), (2, "c", r#"{"amount":4.0}"#), (3, "d", r#"{"parcel":7}"#)];
            assert_eq!(shown(&panel), list(&expected));
            assert_eq!(panel.messages().first().and_then(resilient::PanelMessage::sent_at), None, "not stored yet");
            assert_eq!(kept(&store, &id).await, before);
            verb.apply(panel).await.expect("nobody else was there");
            assert_eq!(kept(&store, &id).await, list(&expected), "after {verb:?}");
            if verb == Verb::Save {
                let row = stored(&store, "Posted", &id).await;
                assert_eq!((row.epoch, row.status), (epoch.next(), Status::Failed));
            }
        }
    }

    /// The run reads them as if they had been sent so.
    async fn a_repaired_instance_reads_the_edited_messages(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        for here in [true, false] {
            let id = format!("{here}");
            let mut panel = failed(&runtime, &id).await;
            *panel.param_mut() = true;
            panel.replace_message(2, Paid { amount: 20.0 }).expect("it is there");
            panel.remove_message(1).expect("it is there");
            panel.add_message(Shipped { parcel: 7 }).expect("its key is a random one");
            let sum = if here {
                panel.reinvoke().await
            } else {
                panel.schedule_reinvoke().await.expect("nobody else was there");
                posted::completion(&runtime, &id).await
            };
            assert!((sum.expect("it was shipped") - 24.0).abs() < 1e-9);
        }
    }

    /// What waits for a message gets one from a person, too.
    async fn an_added_message_wakes_what_is_suspended(store: TestStore) {
        let probe = Probe::default();
        let settings = crate::common::quick().stay_in_memory(crate::common::ms(1));
        let runtime = builder(store.clone(), &probe).settings(settings).register::<posted>();
        let runtime = runtime.start().await.expect("it starts");
        posted::schedule(&runtime, "1", true).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Posted", "1").await.status == Status::Suspended).await;
        let mut panel = open(&runtime, "1").await;
        panel.add_message(Shipped { parcel: 7 }).expect("its key is a random one");
        panel.save().await.expect("nobody else was there");
        let sum: f64 = posted::completion(&runtime, "1").await.expect("it was shipped");
        assert!(sum.abs() < 1e-9);
    }

    /// A message that came after the panel was opened is not lost by an edit that does not know it.
    async fn a_message_that_comes_meanwhile_refuses_edits_of_messages(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        for verb in Verb::ALL {
            let id = format!("{verb:?}");
            let mut panel = failed(&runtime, &id).await;
            panel.remove_message(1).expect("it is there");
            *panel.param_mut() = true;
            posted::send(&runtime, &id, Paid { amount: 8.0 }).await.expect("it is there");
            let row = stored(&store, "Posted", &id).await;
            assert_eq!(refusal(verb.apply(panel).await), changed(&id), "{verb:?}");
            assert_eq!(stored(&store, "Posted", &id).await, row, "nothing of {verb:?} is stored");
            assert_eq!(kept(&store, &id).await.len(), 4);
        }
    }

    /// Edits of everything else do not touch messages: neither those that the panel knows nor those that come meanwhile.
    async fn a_message_that_comes_meanwhile_does_not_disturb_other_edits(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        for verb in Verb::ALL {
            let id = format!("{verb:?}");
            let panel = failed(&runtime, &id).await;
            let later = Outgoing::from(Paid { amount: 8.0 }).with_key("d");
            posted::send(&runtime, &id, later).await.expect("it is there");
            verb.apply(panel).await.expect("nobody else was there");
            let expected = [
                (1, "a", r#"{"amount":1.5}"#),
                (2, "b", r#"{"amount":2.5}"#),
                (3, "c", r#"{"amount":4.0}"#),
                (4, "d", r#"{"amount":8.0}"#),
            ];
            assert_eq!(kept(&store, &id).await, list(&expected), "after {verb:?}");
        }
    }

    /// Two people edit the messages: the second one is told.
    async fn of_two_who_edit_messages_the_first_wins(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        let mut first = failed(&runtime, "1").await;
        let mut second = open(&runtime, "1").await;
        first.remove_message(3).expect("it is there");
        first.add_message(Outgoing::from(Paid { amount: 8.0 }).with_key("d")).expect("the key is free");
        second.remove_message(1).expect("it is there");
        first.save().await.expect("it is the first");
        assert_eq!(refusal(second.save().await), changed("1"), "although there are as many messages as before");
        second.reload().await.expect("it is there");
        assert_eq!(shown(&second), shown(&first), "the edit is gone");
        second.remove_message(1).expect("it is there");
        second.save().await.expect("it knows them now");
        let expected = [(1, "b", r#"{"amount":2.5}"#), (2, "d", r#"{"amount":8.0}"#)];
        assert_eq!(kept(&store, "1").await, list(&expected));
    }

    /// Each with its reason; the reason goes with the message, and an edited message is given another try.
    async fn messages_that_could_not_be_read_are_told_and_mended(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        failed(&runtime, "1").await;
        set_aside(&runtime, "1").await;
        let mut panel = open(&runtime, "1").await;
        let first = (1, "1 is no number".to_owned());
        assert_eq!(reasons(&panel), [first.clone(), (3, "3 is no number".to_owned())]);
        panel.replace_message(1, Paid { amount: 1.0 }).expect("it is there");
        panel.remove_message(2).expect("it is there");
        assert_eq!(reasons(&panel), [(2, "3 is no number".to_owned())]);
        panel.save().await.expect("nobody else was there");
        assert_eq!(reasons(&panel), [(2, "3 is no number".to_owned())]);
        let journal = panel.journal().expect("it can be read");
        let noted: Vec<_> = journal.dead_letters.iter().map(|(at, dead)| (*at, dead.name.as_str())).collect();
        assert_eq!(noted, [(2, "Paid")]);
        panel.remove_message(2).expect("it is there");
        panel.save().await.expect("nobody else was there");
        assert_eq!(panel.journal().expect("it can be read"), &Journal::default());
        assert_eq!(stored(&store, "Posted", "1").await.journal.as_deref().unwrap_or("{}"), "{}");
    }

    /// A run may be reading them.
    async fn messages_of_a_running_instance_are_shown_and_not_edited(store: TestStore) {
        let probe = Probe::default();
        let settings = crate::common::quick().stay_in_memory(secs(60));
        let runtime = builder(store.clone(), &probe).settings(settings).register::<posted>();
        let runtime = runtime.start().await.expect("it starts");
        posted::schedule(&runtime, "1", true).await.expect("it is stored");
        probe.begun(1).await;
        posted::send(&runtime, "1", Paid { amount: 1.5 }).await.expect("it is there");
        for verb in Verb::ALL {
            let mut panel = open(&runtime, "1").await;
            assert_eq!((panel.status(), panel.messages().len()), (Status::Executing, 1));
            panel.remove_message(1).expect("it is there");
            let text = "`Posted/1` is executing; wait for it, or postpone or fail it first";
            assert_eq!(refusal(verb.apply(panel).await), text);
        }
        posted::send(&runtime, "1", Shipped { parcel: 7 }).await.expect("it is there");
        let sum: f64 = posted::completion(&runtime, "1").await.expect("it was shipped");
        assert!((sum - 1.5).abs() < 1e-9);
    }

    /// A number that is no number, a position that is not there, a key that is taken: each is refused by name.
    async fn messages_that_cannot_be_stored_are_refused(store: TestStore) {
        let probe = Probe::default();
        let settings = crate::common::quick().max_payload(100);
        let runtime = builder(store.clone(), &probe).settings(settings).register::<posted>();
        let runtime = runtime.start().await.expect("it starts");
        let mut panel = failed(&runtime, "1").await;
        let before = kept(&store, "1").await;
        for position in [0, 4, -1, i64::MAX] {
            let text = format!("`Posted/1` has no message at position {position}; it has 3, counted from 1");
            assert_eq!(refusal(panel.remove_message(position)), text);
            assert_eq!(refusal(panel.replace_message(position, Paid { amount: 1.0 })), text);
        }
        let taken = "the message at position 2 of `Posted/1` has the key `b` already; give another one";
        assert_eq!(refusal(panel.add_message(Outgoing::from(Shipped { parcel: 1 }).with_key("b"))), taken);
        assert_eq!(refusal(panel.replace_message(1, Outgoing::from(Shipped { parcel: 1 }).with_key("b"))), taken);
        assert_eq!(refusal(panel.add_message(Paid { amount: f64::NAN })), "the message cannot be stored");
        assert_eq!(refusal(panel.add_message(Outgoing::from(Paid { amount: 1.0 }).with_key(""))),
            "the key of the message is empty; give at least one byte");
        let mut raw = open_raw(&runtime, "1").await;
        let large = json(format!("\"{}\"", "x".repeat(99)));
        let text = "the message has 101 bytes; at most 100 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(raw.add_message(new("Paid", large, "d"))), text);
        let text = "the message is not JSON: EOF while parsing a list at line 1 column 1";
        assert_eq!(refusal(raw.replace_message(1, new("Paid", json("["), "a"))), text);
        let text = "the name of the message is empty; give at least one byte";
        assert_eq!(refusal(raw.add_message(new("", json("1"), "d"))), text);
        panel.save().await.expect("nobody else was there");
        raw.reload().await.expect("it is there");
        raw.save().await.expect("nobody else was there");
        assert_eq!(kept(&store, "1").await, before, "what is refused leaves nothing behind");
    }

    /// The same verbs, for messages whose types this program does not know.
    async fn a_raw_panel_edits_messages_as_json(store: TestStore) {
        let runtime = start(&store, &Probe::default()).await;
        failed(&runtime, "1").await;
        let stranger = Runtime::builder(store.another().await).start().await.expect("a tool knows no function");
        let mut raw = open_raw(&stranger, "1").await;
        raw.replace_message(1, new("Shipped", json(r#"{"parcel":1}"#), "a")).expect("it is there");
        raw.remove_message(2).expect("it is there");
        raw.add_message(new("Unknown", json("null"), "d")).expect("the key is free");
        raw.save().await.expect("nobody else was there");
        let expected = [(1, "a", r#"{"parcel":1}"#), (2, "c", r#"{"amount":4.0}"#), (3, "d", "null")];
        assert_eq!(kept(&store, "1").await, list(&expected));
        assert_eq!(raw.messages().last().map(|one| one.name().to_owned()).as_deref(), Some("Unknown"));
    }

    /// The store is away or its answer is lost: the edit is stored, and stored once.
    async fn no_fault_stores_an_edit_half_or_twice(store: TestStore) {
        let number = std::sync::atomic::AtomicU32::new(0);
        let scenario = async |faulty: FaultyStore| {
            let id = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
            let runtime = start(&store, &Probe::default()).await;
            failed(&runtime, &id).await;
            set_aside(&runtime, &id).await;
            let probe = Probe::default();
            let tool = builder(faulty.counting_only(&[Call::Write]), &probe).register::<posted>().take_no_work();
            let tool = tool.start().await.expect("it starts");
            let mut panel = open(&tool, &id).await;
            panel.remove_message(1).expect("it is there");
            panel.add_message(Outgoing::from(Paid { amount: 8.0 }).with_key("d")).expect("the key is free");
            panel.save().await.expect("nobody else was there");
            let expected = [(1, "b", r#"{"amount":2.5}"#), (2, "c", r#"{"amount":4.0}"#), (3, "d", r#"{"amount":8.0}"#)];
            assert_eq!(kept(&store, &id).await, list(&expected));
            assert_eq!(reasons(&panel), [(2, "3 is no number".to_owned())]);
        };
        let runs = at_every_call(&Fault::ERRORS, async || store.another().await, scenario).await;
        assert_eq!(runs, 4, "one write, with each fault and without it");
    }

    /// All of them are there, however many; what has no messages asks for none.
    async fn all_messages_are_read_and_none_without_need(store: TestStore) {
        let probe = Probe::default();
        let counting = FaultyStore::counting(store.another().await);
        let tool = builder(counting.clone(), &probe).register::<posted>().take_no_work().start().await;
        let tool = tool.expect("it starts");
        failure(posted::invoke(&tool, "1", false).await);
        let reads = || counting.calls().iter().filter(|call| **call == Call::Messages).count();
        let none = reads();
        assert_eq!(open(&tool, "1").await.messages().len(), 0);
        assert_eq!(reads(), none, "there are none to be read");
        let many: Vec<_> = (0..1_201).map(|parcel| Outgoing::from(Shipped { parcel })).collect();
        posted::send_all(&tool, "1", many).await.expect("it is there");
        let panel = open(&tool, "1").await;
        let parcels = panel.messages().iter().map(|one| one.read::<Shipped>().expect("it can be read"));
        let expected = (0..1_201).map(|parcel| Some(Shipped { parcel }));
        assert!(parcels.eq(expected), "in their order");
        assert_eq!(panel.messages().last().map(resilient::PanelMessage::position), Some(1_201));
    }

    /// A panel is one view: what comes while it is opened does not mix two of them.
    async fn a_panel_shows_instance_and_messages_of_one_moment(store: TestStore) {
        let probe = Probe::default();
        let held = HeldStore::new(store.another().await);
        let tool = builder(held.clone(), &probe).register::<posted>().take_no_work().start().await;
        let tool = tool.expect("it starts");
        let other = onlooker(&store, &probe).await;
        failed(&tool, "1").await;
        let reading = Point::Before(Call::Messages);
        let opened = |tool: Runtime| tokio::spawn(async move { open(&tool, "1").await });

        held.hold([reading]);
        let opening = opened(tool.clone());
        held.reached(reading).await;
        posted::send(&other, "1", Paid { amount: 8.0 }).await.expect("it is there");
        held.release();
        let panel = opening.await.expect("it is there");
        assert_eq!(panel.messages().len(), 3, "as many as the instance had when it was read");

        held.hold([reading]);
        let opening = opened(tool.clone());
        held.reached(reading).await;
        let mut raw = open_raw(&other, "1").await;
        raw.remove_message(1).expect("it is there");
        raw.save().await.expect("nobody else was there");
        held.release();
        let panel = opening.await.expect("it is there");
        assert_eq!((panel.epoch(), panel.messages().len()), (raw.epoch(), 3), "it was read again");
        assert_eq!(shown(&panel), kept(&store, "1").await);
    }
}
