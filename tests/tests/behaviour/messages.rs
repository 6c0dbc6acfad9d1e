//! Messages: sent from anywhere, waited for in memory and without memory, each of them read once by every run.

use std::collections::BTreeMap;

use resilient::prelude::*;
use resilient::store::{After, Append, Write, Written};
use resilient::{
    Builder, FunctionId, InstanceId, Journal, NewMessage, Payload, Store, StoredMessage, Suspend,
};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::{FaultyStore, Kind, TestStore, eventually, on_every_store, open};
use serde::{Deserialize, Serialize};

use crate::common::{PATIENCE, Probe, crash, failed, failure, json, ms, quick, refusal, secs, stored};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
struct Said(String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
struct Paid {
    amount: u32,
}

/// Another version of [`Paid`], as newer code has it.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Paid", version = 2, oldest = 2)]
struct PaidInCents {
    cents: u64,
}

#[derive(Debug, PartialEq, Eq, Messages)]
enum Reply {
    Said(Said),
    Paid(Paid),
}

fn said(text: &str) -> Said {
    Said(text.to_owned())
}

/// One step of [`talk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Waits for something said.
    Said,
    /// Waits for a payment.
    Paid,
    /// Looks whether something was said.
    Try,
    /// Waits for either.
    Any,
    /// Waits for a payment and for something said, side by side.
    Both,
    /// Waits for a payment until the probe opens its gate, and gives that up then.
    Impatient,
    /// Waits for the gate of the probe.
    Gate,
    /// Fails.
    Fail,
}

use Step::{Any, Both, Fail, Gate, Impatient, Paid as Payment, Said as Word, Try};

/// Does the steps and says what each of them brought.
#[resilient_fn(type_id = "Talk", register = false)]
async fn talk(steps: Vec<Step>, context: &Context, probe: Dep<Probe>) -> resilient::Result<Vec<String>> {
    probe.begin();
    let inbox = context.messages();
    let mut heard = Vec::new();
    for step in steps {
        heard.push(match step {
            Word => inbox.next::<Said>().await?.0,
            Payment => inbox.next::<Paid>().await?.amount.to_string(),
            Try => inbox.try_next::<Said>().await?.map_or("nothing".to_owned(), |said| said.0),
            Any => match inbox.next().await? {
                Reply::Said(said) => said.0,
                Reply::Paid(paid) => paid.amount.to_string(),
            },
            Both => {
                let (paid, said) = tokio::try_join!(inbox.next::<Paid>(), inbox.next::<Said>())?;
                format!("{} and {}", paid.amount, said.0)
            }
            Impatient => tokio::select! {
                paid = inbox.next::<Paid>() => paid?.amount.to_string(),
                () = probe.gate() => "given up".to_owned(),
            },
            Gate => {
                probe.gate().await;
                "through".to_owned()
            }
            Fail => return Err(resilient::Error::msg("told to fail")),
        });
    }
    Ok(heard)
}

/// Suspends itself until it has three messages, without waiting for any.
#[resilient_fn(type_id = "Functional", register = false)]
async fn functional((): (), context: &Context, probe: Dep<Probe>) -> Outcome<u32> {
    probe.begin();
    let inbox = context.messages();
    for number in 0..3 {
        match inbox.try_next::<Said>().await {
            Ok(Some(_)) => {}
            Ok(None) if number == 0 => return Outcome::Suspend(Suspend::until_message()),
            Ok(None) => return Err::<u32, _>(Suspend::until_message()).into(),
            Err(error) => return Outcome::fail(error),
        }
    }
    Outcome::Success(context.attempt())
}

/// Adds up payments until it has so many; stored progress does not count messages, for each run reads them all.
#[resilient_fn(type_id = "Sum", register = false)]
async fn sum(payments: u32, context: &Context, probe: Dep<Probe>) -> resilient::Result<Vec<u32>> {
    probe.begin();
    let inbox = context.messages();
    let mut amounts = Vec::new();
    for _ in 0..payments {
        amounts.push(inbox.next::<Paid>().await?.amount);
    }
    Ok(amounts)
}

/// Does not suspend while a test looks on.
fn staying() -> Settings {
    quick().stay_in_memory(secs(60))
}

/// Suspends what waits at once.
fn leaving() -> Settings {
    quick().stay_in_memory(ms(0))
}

fn builder(store: impl Store, probe: &Probe, settings: Settings) -> Builder {
    let builder = Runtime::builder(store).dep(probe.clone()).settings(settings);
    builder.register::<talk>().register::<functional>().register::<sum>()
}

async fn replica(store: impl Store, probe: &Probe, settings: Settings) -> Runtime {
    builder(store, probe, settings).start().await.expect("a runtime starts")
}

/// A process that knows no function and takes no work.
async fn stranger(store: &TestStore) -> Runtime {
    Runtime::builder(store.another().await).start().await.expect("a runtime starts")
}

/// A call that goes on beside the test.
fn invoked(runtime: &Runtime, steps: &[Step]) -> tokio::task::JoinHandle<Result<Vec<String>, InvokeError>> {
    let (runtime, steps) = (runtime.clone(), steps.to_vec());
    tokio::spawn(async move { talk::invoke(&runtime, "1", steps).await })
}

/// What is in the log of the one instance.
async fn log_of(store: &impl Store, type_id: &str) -> Vec<StoredMessage> {
    let all = After { id: FunctionId::new(type_id, "1"), position: 0 };
    store.messages(&[all], 1_000).await.expect("the store is there").remove(0)
}

/// A message on its way past every runtime.
async fn put(store: &impl Store, type_id: &str, name: &str, payload: Payload) {
    let message = NewMessage { name: name.to_owned(), payload, key: format!("{name} by hand") };
    let append = Append { id: FunctionId::new(type_id, "1"), messages: vec![message] };
    let written = store.write(&[Write::Append(append)]).await.expect("the store is there");
    assert_eq!(written, [Written::Done]);
}

#[track_caller]
fn assert_suspended<T: std::fmt::Debug>(answer: &Result<T, InvokeError>) {
    assert!(matches!(answer, Err(InvokeError::Suspended { .. })), "suspended was expected: {answer:?}");
}

on_every_store! {
    /// The run that waits goes on, and it is still the first one.
    async fn a_message_ends_a_wait_in_memory(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying().wait_poll(secs(60))).await;
        let answer = invoked(&runtime, &[Word, Word]);
        probe.begun(1).await;
        for text in ["hello", "world"] {
            runtime.send::<talk>("1", said(text)).await.expect("it is stored");
        }
        assert_eq!(answer.await.expect("no panic").expect("it succeeds"), ["hello", "world"]);
        assert_eq!((probe.runs(), stored(&store, "Talk", "1").await.attempts), (1, 1));
    }

    /// Nothing of it is in memory then, and a person can see what it waits for.
    async fn a_function_suspends_when_its_message_is_not_there(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        assert_suspended(&talk::invoke(&runtime, "1", vec![Word]).await);
        let row = stored(&store, "Talk", "1").await;
        assert_eq!((row.status, row.owner, row.due_at), (Status::Suspended, None, None));
        assert_eq!(row.reason.as_deref(), Some("waits for message `Said`"));
        assert_eq!(runtime.running(), 0);
        // Asked again, it says so again, and does not run.
        assert_suspended(&talk::invoke(&runtime, "1", vec![]).await);
        assert_eq!(probe.runs(), 1);
    }

    /// It stays in memory for as long as it was told to.
    async fn a_wait_suspends_when_its_time_in_memory_is_over(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick().stay_in_memory(ms(120))).await;
        let begun = std::time::Instant::now();
        assert_suspended(&talk::invoke(&runtime, "1", vec![Any]).await);
        assert!(begun.elapsed() >= ms(120), "after {:?}", begun.elapsed());
        assert_eq!(stored(&store, "Talk", "1").await.reason.as_deref(), Some("waits for message `Said` or `Paid`"));
    }

    /// Its next run begins at the top, and reads what it has read before.
    async fn a_message_wakes_what_is_suspended(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving().poll(secs(3600))).await;
        assert_suspended(&talk::invoke(&runtime, "1", vec![Word, Word]).await);
        runtime.send::<talk>("1", said("hello")).await.expect("it is stored");
        probe.begun(2).await;
        eventually(PATIENCE, async || stored(&store, "Talk", "1").await.status == Status::Suspended).await;
        runtime.send::<talk>("1", said("world")).await.expect("it is stored");
        let heard = talk::completion(&runtime, "1").await.expect("it succeeds");
        assert_eq!((heard, probe.runs()), (vec!["hello".to_owned(), "world".to_owned()], 3));
        let row = stored(&store, "Talk", "1").await;
        assert_eq!((row.attempts, row.message_count, row.reason), (3, 2, None));
    }

    /// Who sends and then asks gets what the message has led to.
    async fn an_invoke_after_a_message_waits_for_the_run_that_reads_it(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        for round in 0..10 {
            let id = InstanceId::from(round.to_string());
            assert_suspended(&talk::invoke(&runtime, &id, vec![Word]).await);
            runtime.send::<talk>(&id, said("hello")).await.expect("it is stored");
            assert_eq!(talk::invoke(&runtime, &id, vec![]).await.expect("it succeeds"), ["hello"]);
        }
    }

    /// Another process wakes it, without knowing the function, in memory and without memory.
    async fn a_message_comes_from_a_process_that_does_not_know_the_function(store: TestStore) {
        let probe = Probe::default();
        let sender = stranger(&store).await;
        let runtime = replica(store.clone(), &probe, staying()).await;
        let answer = invoked(&runtime, &[Word]);
        probe.begun(1).await;
        sender.send::<talk>("1", said("hello")).await.expect("it is stored");
        assert_eq!(answer.await.expect("no panic").expect("it succeeds"), ["hello"]);
        runtime.shutdown().await.expect("it ends");
        let runtime = replica(store.clone(), &probe, leaving()).await;
        assert_suspended(&talk::invoke(&runtime, "2", vec![Word]).await);
        sender.send::<talk>("2", said("again")).await.expect("it is stored");
        assert_eq!(talk::completion(&runtime, "2").await.expect("it succeeds"), ["again"]);
    }

    /// Polling finds what no hint tells of.
    async fn a_message_that_is_written_past_all_runtimes_is_found(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick().stay_in_memory(ms(200))).await;
        let answer = invoked(&runtime, &[Word, Payment]);
        probe.begun(1).await;
        put(&store, "Talk", "Said", json("\"hello\"")).await;
        assert_suspended(&answer.await.expect("no panic"));
        put(&store, "Talk", "Paid", json("{\"amount\":7}")).await;
        assert_eq!(talk::completion(&runtime, "1").await.expect("it succeeds"), ["hello", "7"]);
    }

    /// Sending again is safe with a key: the first one counts.
    async fn a_key_is_stored_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let first = [said("a").into(), Outgoing::from(said("b")).with_key("k"), Outgoing::from(said("c")).with_key("k")];
        runtime.schedule_with::<talk>("1", vec![Word, Word, Word, Word], first).await.expect("it is stored");
        for text in ["d", "e"] {
            let message = Outgoing::from(said(text)).with_key("l");
            runtime.send::<talk>("1", message).await.expect("it is stored, or was");
        }
        let more = [Outgoing::from(said("f")).with_key("k"), said("g").into(), Outgoing::from(said("h")).with_key("l")];
        runtime.send_all::<talk>("1", more).await.expect("what is new is stored");
        assert_eq!(talk::completion(&runtime, "1").await.expect("it succeeds"), ["a", "b", "d", "g"]);
        let log = log_of(&store, "Talk").await;
        let positions: Vec<_> = log.iter().map(|message| message.position).collect();
        assert_eq!((positions, log[1].key.as_str(), log[2].key.as_str()), (vec![1, 2, 3, 4], "k", "l"));
        assert_eq!(uuid::Uuid::try_parse(&log[0].key).map(|key| key.get_version_num()), Ok(4), "a random key");
        // What it has already, a finished instance takes again.
        runtime.send::<talk>("1", Outgoing::from(said("z")).with_key("k")).await.expect("it was stored");
    }

    /// They are there when the first run begins.
    async fn messages_can_be_given_at_the_start(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let messages = || [said("hello").into(), Paid { amount: 7 }.into()];
        let heard = runtime.invoke_with::<talk>("1", vec![Try, Payment, Try], messages()).await;
        assert_eq!(heard.expect("it succeeds"), ["hello", "7", "nothing"]);
        let log = log_of(&store, "Talk").await;
        let names: Vec<_> = log.iter().map(|message| (message.position, message.name.as_str())).collect();
        assert_eq!(names, [(1, "Said"), (2, "Paid")]);
        assert_eq!((probe.runs(), stored(&store, "Talk", "1").await.message_count), (1, 2));
        // They belong to the start: an instance that is there does not get them.
        let heard = runtime.invoke_with::<talk>("1", vec![], messages()).await.expect("it has succeeded");
        assert_eq!((heard.len(), log_of(&store, "Talk").await.len()), (3, 2));
    }

    /// Messages of other kinds are left where they are.
    async fn the_order_of_arrival_does_not_matter(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let messages = [said("a").into(), Paid { amount: 1 }.into(), said("b").into(), Paid { amount: 2 }.into()];
        let steps = vec![Payment, Word, Any, Payment];
        let heard = runtime.invoke_with::<talk>("1", steps, messages).await.expect("it succeeds");
        assert_eq!(heard, ["1", "a", "b", "2"], "each of them once, the earliest first");
    }

    /// Whichever comes first.
    async fn waits_go_on_side_by_side(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let answer = invoked(&runtime, &[Both, Both]);
        probe.begun(1).await;
        for message in [said("a").into(), Outgoing::from(Paid { amount: 1 }), Paid { amount: 2 }.into()] {
            runtime.send::<talk>("1", message).await.expect("it is stored");
        }
        runtime.send::<talk>("1", said("b")).await.expect("it is stored");
        assert_eq!(answer.await.expect("no panic").expect("it succeeds"), ["1 and a", "2 and b"]);
    }

    /// The half that has come is read again by the run that finds both.
    async fn a_suspension_beside_a_message_loses_nothing(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let started = runtime.invoke_with::<talk>("1", vec![Both], [said("a").into()]).await;
        assert_suspended(&started);
        assert_eq!(stored(&store, "Talk", "1").await.reason.as_deref(), Some("waits for message `Paid`"));
        runtime.send::<talk>("1", Paid { amount: 1 }).await.expect("it is stored");
        assert_eq!(talk::completion(&runtime, "1").await.expect("it succeeds"), ["1 and a"]);
    }

    /// What a wait that was given up would have got is still there.
    async fn a_dropped_wait_loses_nothing(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let answer = invoked(&runtime, &[Impatient, Payment]);
        probe.begun(1).await;
        probe.open();
        runtime.send::<talk>("1", Paid { amount: 3 }).await.expect("it is stored");
        let heard = answer.await.expect("no panic").or_else(|error| match error {
            // The message may have come before the gate was seen to be open.
            InvokeError::Suspended { .. } => Ok(vec!["3".to_owned()]),
            other => Err(other),
        });
        let heard = heard.expect("it succeeds");
        assert_eq!(heard.last().map(String::as_str), Some("3"), "{heard:?}");
    }

    /// Suspending by hand: until there is more than it has looked at.
    async fn a_function_suspends_itself_until_the_next_message(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        for count in 0..3 {
            assert_suspended(&functional::invoke(&runtime, "1", ()).await);
            let row = stored(&store, "Functional", "1").await;
            assert_eq!((row.status, row.message_count, row.due_at), (Status::Suspended, count, None));
            assert_eq!((row.attempts, row.reason.is_some()), (u32::try_from(count).expect("small") + 1, true));
            runtime.send::<functional>("1", said("more")).await.expect("it is stored");
        }
        assert_eq!(functional::completion(&runtime, "1").await.expect("it succeeds"), 4);
    }

    /// Before the store is asked for anything.
    async fn bad_input_is_refused_and_stores_nothing(store: TestStore) {
        let probe = Probe::default();
        let settings = leaving().max_payload(100);
        let runtime = replica(store.clone(), &probe, settings).await;
        assert_suspended(&talk::invoke(&runtime, "1", vec![Word]).await);
        let send = async |id: &str, message: Outgoing| refusal(runtime.send::<talk>(id, message).await);
        let keyed = |key: &str| Outgoing::from(said("a")).with_key(key);
        assert_eq!(send("1", keyed("")).await, "the key of the message is empty; give at least one byte");
        let long = send("1", keyed(&"k".repeat(201))).await;
        assert_eq!(long, "the key of the message has 201 bytes; at most 200 are kept");
        let nul = send("1", keyed("a\0")).await;
        assert_eq!(nul, "the key of the message holds a NUL character at byte 1; remove it");
        let large = send("1", said(&"x".repeat(99)).into()).await;
        assert_eq!(large, "the message has 101 bytes; at most 100 are kept, see `Settings::max_payload`");
        assert_eq!(send("1", said("a\0").into()).await, "the message cannot be stored");
        assert_eq!(send("", said("a").into()).await, "the instance id is empty; give at least one byte");
        let both = [said("good").into(), keyed("")];
        assert!(runtime.send_all::<talk>("1", both.clone()).await.is_err(), "all of them or none");
        assert!(runtime.schedule_with::<talk>("2", vec![], both.clone()).await.is_err());
        assert!(runtime.invoke_with::<talk>("2", vec![], both).await.is_err());
        assert_eq!(store.get(&[FunctionId::new("Talk", "2")]).await.expect("the store is there"), [None]);
        assert_eq!(log_of(&store, "Talk").await, []);
    }

    /// Each answer says which it is.
    async fn what_reads_no_messages_refuses_them(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let refused = runtime.send::<talk>("1", said("a")).await;
        assert!(matches!(refused, Err(InvokeError::NotFound { .. })), "{refused:?}");
        talk::invoke(&runtime, "1", vec![]).await.expect("it succeeds");
        let refused = runtime.send::<talk>("1", said("a")).await;
        assert!(matches!(&refused, Err(InvokeError::Completed { id }) if *id == FunctionId::new("Talk", "1")));
        assert_eq!(refusal(refused), "`Talk/1` has succeeded and reads no more messages");
        runtime.shutdown().await.expect("it ends");
        let refused = runtime.send::<talk>("1", said("a")).await;
        assert!(matches!(refused, Err(InvokeError::ShuttingDown)), "{refused:?}");
    }

    /// A person may let it go on, and then it reads them.
    async fn what_has_failed_keeps_messages(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let told = failed("message", "told to fail", &[]);
        assert_eq!(failure(talk::invoke(&runtime, "1", vec![Fail]).await), told);
        runtime.send::<talk>("1", said("a")).await.expect("it is stored");
        let mut panel = talk::control_panel(&runtime, "1").await.expect("it is there");
        assert_eq!(panel.status(), Status::Failed, "a message does not repair it");
        *panel.param_mut() = vec![Word];
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), ["a"]);
    }

    /// It does not stop the function, and a person sees it.
    async fn a_message_that_cannot_be_read_is_set_aside(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        assert_suspended(&talk::invoke(&runtime, "1", vec![Payment]).await);
        put(&store, "Talk", "Paid", json("{\"amount\":\"seven\"}")).await;
        probe.begun(2).await;
        let row = eventually(PATIENCE, async || {
            let row = stored(&store, "Talk", "1").await;
            (row.status == Status::Suspended && row.attempts == 2).then_some(row)
        });
        let row = row.await;
        let letters = Journal::read(row.journal.as_deref()).expect("it is a journal").dead_letters;
        let (position, letter) = letters.first_key_value().expect("it is noted");
        assert_eq!((*position, letter.name.as_str(), letters.len()), (1, "Paid", 1));
        assert!(letter.reason.contains("version 1 of `") && letter.reason.contains("invalid type"), "{letter:?}");
        runtime.send::<talk>("1", Paid { amount: 8 }).await.expect("it is stored");
        assert_eq!(talk::completion(&runtime, "1").await.expect("it succeeds"), ["8"]);
        let row = stored(&store, "Talk", "1").await;
        let letters = Journal::read(row.journal.as_deref()).expect("it is a journal").dead_letters;
        assert_eq!((letters.len(), row.message_count), (1, 2), "it is still there");
    }

    /// It is not dead: it waits for the code that reads it.
    async fn a_message_of_newer_code_is_left_alone(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        runtime.schedule_with::<talk>("1", vec![Payment], [PaidInCents { cents: 700 }.into()]).await.expect("stored");
        let row = eventually(PATIENCE, async || {
            let row = stored(&store, "Talk", "1").await;
            (row.status == Status::Suspended).then_some(row)
        });
        let row = row.await;
        assert_eq!(row.reason.as_deref(), Some("message `Paid` is stored in version 2, which this replica does not read"));
        let due = row.due_at.expect("it looks again").saturating_since(row.updated_at);
        assert!(due <= secs(10), "in {due:?}");
        assert_eq!(Journal::read(row.journal.as_deref()).expect("a journal").dead_letters, BTreeMap::new());
        // A message that this code reads is as good as any.
        runtime.send::<talk>("1", Paid { amount: 8 }).await.expect("it is stored");
        assert_eq!(talk::completion(&runtime, "1").await.expect("it succeeds"), ["8"]);
    }

    /// Each is stored once, and read once, in the order of its position.
    async fn concurrent_senders_lose_and_double_nothing(store: TestStore) {
        const SENDERS: u32 = 8;
        const EACH: u32 = 12;
        let probe = Probe::default();
        let runtimes = [
            replica(store.clone(), &probe, quick().stay_in_memory(ms(5))).await,
            replica(store.another().await, &probe, quick().stay_in_memory(ms(5))).await,
        ];
        sum::schedule(&runtimes[0], "1", SENDERS * EACH).await.expect("it is stored");
        let senders = (0..SENDERS).map(|sender| {
            let runtime = runtimes[sender as usize % 2].clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let message = Outgoing::from(Paid { amount: sender * EACH + number });
                    // Every other one is sent twice, as after a lost answer.
                    let key = format!("{sender}/{number}");
                    for _ in 0..=number % 2 {
                        let sent = runtime.send::<sum>("1", message.clone().with_key(key.clone())).await;
                        sent.expect("it is stored");
                    }
                }
            })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.expect("no sender panics");
        }
        let mut amounts = sum::completion(&runtimes[0], "1").await.expect("it succeeds");
        let log: Vec<_> = log_of(&store, "Sum").await.iter().map(|message| message.position).collect();
        assert_eq!(log, (1..=i64::from(SENDERS * EACH)).collect::<Vec<_>>(), "without gaps");
        amounts.sort_unstable();
        assert_eq!(amounts, (0..SENDERS * EACH).collect::<Vec<_>>());
    }

    /// The message is sent while the run is about to suspend, just before and just after.
    async fn no_message_races_past_a_suspension(store: TestStore) {
        let races = if store.kind() == Kind::Memory { 2_000 } else { 400 };
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let sender = stranger(&store).await;
        let mut left = tokio::task::JoinSet::new();
        for race in 0..races {
            let (runtime, sender) = (runtime.clone(), sender.clone());
            left.spawn(async move {
                let id = InstanceId::from(race.to_string());
                talk::schedule(&runtime, &id, vec![Word]).await.expect("it is stored");
                tokio::time::sleep(std::time::Duration::from_micros(race % 16 * 200)).await;
                let from = if race % 2 == 0 { &runtime } else { &sender };
                from.send::<talk>(&id, said("hello")).await.expect("it is stored");
                talk::completion(&runtime, &id).await.expect("it succeeds")
            });
            if left.len() >= 64 {
                left.join_next().await.expect("one is left").expect("no panic");
            }
        }
        while let Some(heard) = left.join_next().await {
            assert_eq!(heard.expect("no panic"), ["hello"]);
        }
    }

    /// Nothing is handed over: the next process goes on when its message comes.
    async fn a_shutdown_ends_waits_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let answer = invoked(&runtime, &[Word]);
        probe.begun(1).await;
        let shutdown = runtime.shutdown().await.expect("it ends");
        assert_eq!(shutdown.handed_over, 0);
        assert_suspended(&answer.await.expect("no panic"));
        let next = replica(store.clone(), &probe, staying()).await;
        next.send::<talk>("1", said("hello")).await.expect("it is stored");
        assert_eq!(talk::completion(&next, "1").await.expect("it succeeds"), ["hello"]);
    }

    /// Another replica takes it over and reads the same messages.
    async fn a_crash_while_waiting_loses_nothing(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        talk::schedule(&runtime, "1", vec![Word, Payment]).await.expect("it is stored");
        probe.begun(1).await;
        runtime.send::<talk>("1", said("hello")).await.expect("it is stored");
        crash(runtime, &store).await;
        let next = replica(store.another().await, &probe, staying()).await;
        next.send::<talk>("1", Paid { amount: 7 }).await.expect("it is stored");
        assert_eq!(talk::completion(&next, "1").await.expect("it succeeds"), ["hello", "7"]);
    }

    /// And one query is enough for all that wait.
    async fn nothing_is_asked_while_nobody_waits(store: TestStore) {
        let probe = Probe::default();
        let counted = FaultyStore::counting(store.clone()).counting_only(&[Call::Messages]);
        let runtime = replica(counted.clone(), &probe, quick().stay_in_memory(secs(60)).wait_poll(ms(50))).await;
        assert_eq!(talk::invoke(&runtime, "0", vec![]).await.expect("it succeeds"), Vec::<String>::new());
        runtime.schedule_with::<talk>("1", vec![Gate], [said("a").into()]).await.expect("it is stored");
        probe.begun(2).await;
        runtime.send::<talk>("1", said("b")).await.expect("it is stored");
        tokio::time::sleep(ms(200)).await;
        assert_eq!(counted.count(), 0, "who does not wait is not looked at");
        probe.open();
        let waiting: Vec<_> = (2..22).map(|id| {
            let runtime = runtime.clone();
            tokio::spawn(async move { talk::invoke(&runtime, id.to_string(), vec![Word]).await })
        }).collect();
        probe.begun(22).await;
        eventually(PATIENCE, async || counted.count() >= 22).await;
        let before = counted.count();
        let begun = std::time::Instant::now();
        eventually(PATIENCE, async || counted.count() >= before + 4).await;
        let (asked, passed) = (counted.count() - before, begun.elapsed());
        assert!(u128::from(asked) <= passed.as_millis() / 50 + 2, "{asked} queries in {passed:?} for 20 waits");
        for id in 2..22 {
            runtime.send::<talk>(id.to_string(), said("b")).await.expect("it is stored");
        }
        for answer in waiting {
            assert_eq!(answer.await.expect("no panic").expect("it succeeds"), ["b"]);
        }
        let after = counted.count();
        tokio::time::sleep(ms(200)).await;
        assert_eq!(counted.count(), after, "nobody waits any more");
    }
}

/// Whatever fails while a run suspends or a message is stored, the message is read, and read once.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_loses_no_message() {
    let fresh = async || open(Kind::Memory).await.expect("memory is always there");
    let runs = at_every_call(&Fault::ERRORS, fresh, async |store| {
        let probe = Probe::default();
        let counted = store.clone().counting_only(&[Call::Write, Call::Claim, Call::Messages, Call::Get]);
        let runtime = replica(counted, &probe, leaving()).await;
        let _ = runtime.invoke_with::<sum>("1", 3, [Paid { amount: 1 }.into()]).await;
        for amount in [2, 3] {
            let message = Outgoing::from(Paid { amount }).with_key(amount.to_string());
            while runtime.send::<sum>("1", message.clone()).await.is_err() {
                let _ = runtime.schedule_with::<sum>("1", 3, [Paid { amount: 1 }.into()]).await;
            }
        }
        assert_eq!(sum::completion(&runtime, "1").await.expect("it succeeds"), [1, 2, 3]);
        assert_eq!(log_of(store.inner(), "Sum").await.len(), 3);
        runtime.shutdown().await.expect("the store is there again");
    });
    assert!(runs.await > 8);
}

/// A process that stops at any call leaves everything to the next one.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_loses_no_message() {
    let fresh = async || open(Kind::Memory).await.expect("memory is always there");
    let runs = at_every_call(&Fault::CRASHES, fresh, async |store| {
        let probe = Probe::default();
        let counted = store.clone().counting_only(&[Call::Write, Call::Claim, Call::Messages, Call::Get]);
        let first = replica(counted, &probe, leaving()).await;
        let work = async {
            let _ = first.invoke_with::<sum>("1", 2, [Paid { amount: 1 }.into()]).await;
            let _ = first.send::<sum>("1", Outgoing::from(Paid { amount: 2 }).with_key("2")).await;
            let _ = sum::completion(&first, "1").await;
        };
        let _ = tokio::time::timeout(secs(5), work).await;
        drop(first);
        let next = replica(std::sync::Arc::clone(store.inner()), &probe, leaving()).await;
        next.schedule_with::<sum>("1", 2, [Paid { amount: 1 }.into()]).await.expect("it is stored, or was");
        let sent = next.send::<sum>("1", Outgoing::from(Paid { amount: 2 }).with_key("2")).await;
        sent.expect("it is stored, or was");
        assert_eq!(sum::completion(&next, "1").await.expect("it succeeds"), [1, 2]);
    });
    assert!(runs.await > 4);
}
