//! Inside the user's own transaction: instances, messages and progress that are stored exactly when the user's rows are.

use std::any::type_name;

use resilient::prelude::*;
use resilient::{Failure, FunctionId, Payload, Store, StoredFunction};
use resilient_tests::faults::Call;
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::rows::{Rows, Transaction};
use resilient_tests::{Kind, TestStore, eventually, on_every_database, open};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::common::{
    PATIENCE, Probe, assert_postponed, builder, crash, double, failure, json, ms, quick, refusal, stored,
};

/// What [`payment`] waits for.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
struct Paid(u32);

/// Says what was paid.
#[resilient_fn(type_id = "Payment", register = false)]
async fn payment((): (), context: &Context) -> resilient::Result<u32> {
    Ok(context.messages().next::<Paid>().await?.0)
}

/// One step of [`book`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Step {
    /// Changes the scrapbook in memory.
    Push(u32),
    /// Saves it without a transaction.
    Save,
    /// Books a row and the progress, and commits both.
    Commit(u32),
    /// Books a row and the progress, and rolls both back.
    RollBack(u32),
    /// Books a row and the progress, and keeps the transaction until the body ends.
    Open(u32),
    /// Books a row and the progress, and leaves the transaction to somebody who outlives the body.
    Leave(u32),
    /// Saves in something that is no transaction.
    Unfit,
    /// Saves in a transaction that its database has ended.
    Ended,
    /// Makes a call that must not happen twice.
    Once,
    /// Waits for the gate of the probe.
    Gate,
    /// Puts itself off.
    PutOff,
    Fail,
    /// Fails, and is tried again in memory.
    Repeat,
    Panic,
    Hang,
}

use Step::{
    Commit, Ended, Fail, Gate, Hang, Leave, Once, Open, Panic, Push, PutOff, Repeat, RollBack, Save, Unfit,
};

/// What [`book`] has booked.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Booked {
    numbers: Vec<u32>,
}

/// Does in its n-th run, in memory or not, what the n-th list says, and says what it has booked. Before its first one, so
/// many other runs have begun.
#[resilient_fn(
    type_id = "Book",
    register = false,
    retry(first = "1ms", max_tries = 3, in_memory_below = "1s", only_if = is_repeated)
)]
async fn book(
    (before, runs): (usize, Vec<Vec<Step>>),
    booked: &mut Scrapbook<Booked>,
    context: &Context,
    probe: Dep<Probe>,
    rows: Dep<Rows>,
) -> resilient::Result<Vec<u32>> {
    probe.note(format!("{:?}", booked.numbers));
    probe.begin();
    let mut held = Vec::new();
    for step in runs.get(probe.runs().saturating_sub(before + 1)).cloned().unwrap_or_default() {
        match step {
            Push(number) => booked.numbers.push(number),
            Save => booked.save().await?,
            Commit(number) => write(&rows, booked, number).await?.commit().await?,
            RollBack(number) => write(&rows, booked, number).await?.rollback().await?,
            Open(number) => held.push(write(&rows, booked, number).await?),
            Leave(number) => rows.leave(write(&rows, booked, number).await?),
            Unfit | Ended => save_in_none(step, &rows, booked).await?,
            Once => context.once("call", async || Ok::<_, String>(())).await?,
            Gate => probe.gate().await,
            PutOff => Err(Postpone::for_(ms(1)))?,
            Fail => Err(resilient::Error::msg("told to fail"))?,
            Repeat => Err(resilient::Error::msg("told to repeat"))?,
            Panic => panic!("told to panic"),
            Hang => std::future::pending().await,
        }
    }
    Ok(booked.numbers.clone())
}

fn is_repeated(failure: &Failure) -> bool {
    failure.message == "told to repeat"
}

/// A row and the progress that says so, in one transaction.
async fn write(rows: &Rows, booked: &mut Scrapbook<Booked>, number: u32) -> resilient::Result<Transaction> {
    let mut transaction = rows.begin().await?;
    rows.insert(&mut transaction, &number.to_string()).await?;
    booked.numbers.push(number);
    transaction.save(booked).await?;
    Ok(transaction)
}

/// Progress in what is no transaction, or none any more.
async fn save_in_none(step: Step, rows: &Rows, booked: &mut Scrapbook<Booked>) -> resilient::Result<()> {
    booked.numbers.push(0);
    match step {
        Ended => rows.begin_ended().await?.save(booked).await?,
        _ => booked.save_in(&mut "no transaction".to_owned()).await?,
    }
    Ok(())
}

/// A process with the functions of this file.
async fn worker(store: impl Store, probe: &Probe, rows: &Rows) -> Runtime {
    let builder = builder(store, probe).dep(rows.clone());
    let builder = builder.settings(quick().stay_in_memory(ms(0))).register::<payment>().register::<book>();
    builder.start().await.expect("a runtime starts")
}

async fn instance(store: &TestStore, type_id: &str, id: &str) -> Option<StoredFunction> {
    store.get(&[FunctionId::new(type_id, id)]).await.expect("the store is there").remove(0)
}

/// What is stored of the scrapbook of an instance of [`book`].
async fn booked(store: &TestStore, id: &str) -> Option<Payload> {
    stored(store, "Book", id).await.scrapbook
}

#[allow(clippy::unnecessary_wraps, reason = "it stands beside what may not be there")]
fn numbers(numbers: &str) -> Option<Payload> {
    Some(json(format!(r#"{{"numbers":{numbers}}}"#)))
}

/// A process, and rows beside its instances.
async fn shop(store: &TestStore) -> (Runtime, Rows, Probe) {
    let (rows, probe) = (Rows::beside(store).await, Probe::default());
    (worker(store.another().await, &probe, &rows).await, rows, probe)
}

/// Waits until the only instance of [`payment`] waits.
async fn suspended(store: &TestStore) {
    let waits = async || stored(store, "Payment", "p").await.status == Status::Suspended;
    eventually(PATIENCE, waits).await;
}

/// Why something is no transaction.
#[track_caller]
fn unfit<T: std::fmt::Debug>(answer: Result<T, InvokeError>) -> (&'static str, String) {
    match answer {
        Err(InvokeError::UnfitTransaction { given, problem }) => (given, problem),
        other => panic!("the transaction was to be refused, and this came: {other:?}"),
    }
}

on_every_database! {
    /// Nobody sees the instance before, and any replica runs it after.
    async fn what_is_scheduled_in_a_transaction_runs_when_it_is_committed(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let mut transaction = rows.begin().await.expect("it begins");
        rows.insert(&mut transaction, "order").await.expect("it is inserted");
        transaction.schedule::<double>(&runtime, "d", 4).await.expect("it is written");
        assert_eq!(instance(&store, "Double", "d").await, None);
        assert_eq!((rows.names().await, probe.runs()), (vec![], 0));
        transaction.commit().await.expect("it commits");
        assert_eq!(rows.names().await, ["order"]);
        assert_eq!(double::completion(&runtime, "d").await.expect("it succeeds"), 8);
    }

    /// By a web service, whose workers are other processes.
    async fn a_process_that_takes_no_work_schedules_in_a_transaction(store: TestStore) {
        let (_worker, rows, _) = shop(&store).await;
        let service = Runtime::builder(store.another().await).take_no_work().start().await;
        let service = service.expect("a runtime starts");
        let mut transaction = rows.begin().await.expect("it begins");
        transaction.schedule::<double>(&service, "d", 4).await.expect("it need not be registered here");
        transaction.commit().await.expect("it commits");
        assert_eq!(double::completion(&service, "d").await.expect("it succeeds"), 8);
    }

    /// Rolled back, or dropped as by a crash before the commit.
    async fn what_is_scheduled_is_undone_with_the_transaction(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        for is_dropped in [false, true] {
            let mut transaction = rows.begin().await.expect("it begins");
            rows.insert(&mut transaction, "order").await.expect("it is inserted");
            transaction.schedule::<double>(&runtime, "d", 4).await.expect("it is written");
            if is_dropped {
                drop(transaction);
            } else {
                transaction.rollback().await.expect("it rolls back");
            }
            // Whoever writes the same id waits for the end of the transaction.
            double::schedule(&runtime, "other", 1).await.expect("it is stored");
            double::completion(&runtime, "other").await.expect("it succeeds");
            assert_eq!((instance(&store, "Double", "d").await, rows.names().await), (None, vec![]));
        }
        assert_eq!(double::invoke(&runtime, "d", 5).await.expect("the id is free"), 10);
        assert_eq!(probe.runs(), 2);
    }

    /// Twice in a transaction, and when somebody else was first.
    async fn to_schedule_an_id_again_in_a_transaction_changes_nothing(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        assert_eq!(double::invoke(&runtime, "old", 4).await.expect("it succeeds"), 8);
        let mut transaction = rows.begin().await.expect("it begins");
        rows.insert(&mut transaction, "order").await.expect("it is inserted");
        for param in [5, 6] {
            transaction.schedule::<double>(&runtime, "old", param).await.expect("it stays");
            transaction.schedule::<double>(&runtime, "new", param).await.expect("it is there");
        }
        transaction.commit().await.expect("it commits");
        assert_eq!(double::completion(&runtime, "new").await.expect("it succeeds"), 10);
        assert_eq!(double::completion(&runtime, "old").await.expect("it succeeds"), 8);
        assert_eq!((rows.names().await, probe.runs()), (vec!["order".to_owned()], 2));
    }

    /// One run, with one parameter, whoever stored it.
    async fn schedules_in_transactions_and_invokes_of_one_id_share_one_run(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let mut calls = JoinSet::new();
        for number in 0..12 {
            let (runtime, rows) = (runtime.clone(), rows.clone());
            calls.spawn(async move {
                if number % 2 == 0 {
                    return double::invoke(&runtime, "d", 4).await.expect("it succeeds");
                }
                let mut transaction = rows.begin().await.expect("it begins");
                transaction.schedule::<double>(&runtime, "d", 4).await.expect("it is written");
                rows.insert(&mut transaction, "order").await.expect("it is inserted");
                transaction.commit().await.expect("it commits");
                double::completion(&runtime, "d").await.expect("it succeeds")
            });
        }
        assert_eq!(calls.join_all().await, [8; 12]);
        assert_eq!((rows.names().await.len(), probe.runs()), (6, 1));
    }

    /// A level of isolation that shows old rows makes no guard hold: the database refuses, or looks at what is there.
    async fn a_transaction_that_goes_by_what_it_saw_stores_nothing_wrong(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        payment::schedule(&runtime, "p", ()).await.expect("it is stored");
        suspended(&store).await;
        let mut old = rows.begin_old().await.expect("it begins");
        payment::send(&runtime, "p", Paid(7)).await.expect("it is stored");
        assert_eq!(payment::completion(&runtime, "p").await.expect("it succeeds"), 7);
        match old.send::<payment>(&runtime, "p", Paid(8)).await {
            Err(InvokeError::Completed { .. }) => {}
            Err(InvokeError::Store(error)) => assert!(error.is_transient(), "{error}"),
            other => panic!("it reads no more messages: {other:?}"),
        }
        drop(old);
        let mut old = rows.begin_old().await.expect("it begins");
        assert_eq!(double::invoke(&runtime, "d", 4).await.expect("it succeeds"), 8);
        match old.schedule::<double>(&runtime, "d", 5).await {
            Ok(()) => old.commit().await.expect("it commits"),
            Err(InvokeError::Store(error)) => assert!(error.is_transient(), "{error}"),
            Err(other) => panic!("it is there: {other}"),
        }
        assert_eq!(stored(&store, "Payment", "p").await.message_count, 1);
        assert_eq!(double::completion(&runtime, "d").await.expect("it succeeds"), 8);
    }

    /// What is written in it would be stored at once, and stay.
    async fn a_transaction_that_its_database_has_ended_is_refused(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        payment::schedule(&runtime, "p", ()).await.expect("it is stored");
        suspended(&store).await;
        let mut ended = rows.begin_ended().await.expect("it begins");
        for _ in 0..2 {
            let (_, problem) = unfit(ended.schedule::<double>(&runtime, "d", 4).await);
            assert!(problem.contains("has ended it"), "{problem}");
            unfit(ended.send::<payment>(&runtime, "p", Paid(7)).await);
        }
        drop(ended);
        assert_eq!(instance(&store, "Double", "d").await, None);
        assert_eq!(stored(&store, "Payment", "p").await.message_count, 0);
        let failure = failure(book::invoke(&runtime, "b", (0, vec![vec![Push(1), Ended]])).await);
        assert!(failure.message.contains("has ended it"), "{failure:?}");
        assert_eq!(booked(&store, "b").await, None);
    }

    /// Whether they exist already or not.
    async fn work_on_other_instances_goes_on_beside_a_transaction(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        // On SQLite a transaction that has written holds all of the database.
        if store.kind() == Kind::Sqlite {
            return;
        }
        let ids = || (0..6).map(|number| format!("p{number}"));
        for id in ids() {
            payment::schedule(&runtime, id, ()).await.expect("it is stored");
        }
        let mut one = rows.begin().await.expect("it begins");
        let mut other = rows.begin().await.expect("it begins");
        for [mine, theirs] in [["p0", "p1"], ["p2", "p3"]] {
            one.send::<payment>(&runtime, mine, Paid(7)).await.expect("it is written");
            other.send::<payment>(&runtime, theirs, Paid(7)).await.expect("it is written");
        }
        for id in ["p4", "p5"] {
            payment::send(&runtime, id, Paid(8)).await.expect("it is stored");
            assert_eq!(payment::completion(&runtime, id).await.expect("it succeeds"), 8);
        }
        one.commit().await.expect("it commits");
        other.commit().await.expect("it commits");
        for id in ["p0", "p1", "p2", "p3"] {
            assert_eq!(payment::completion(&runtime, id).await.expect("it succeeds"), 7);
        }
    }

    /// However many wait for it.
    async fn what_waits_for_a_transaction_holds_up_nothing_else(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        // On SQLite a transaction that has written holds all of the database.
        if store.kind() == Kind::Sqlite {
            return;
        }
        let held: Vec<_> = (0..6).map(|number| format!("held {number}")).collect();
        let mut transaction = rows.begin().await.expect("it begins");
        for id in &held {
            transaction.schedule::<double>(&runtime, id, 4).await.expect("it is written");
        }
        let mut waiting = JoinSet::new();
        for id in held.clone() {
            let runtime = runtime.clone();
            waiting.spawn(async move { double::invoke(&runtime, id, 5).await });
        }
        for number in 0..20_u64 {
            let answer = double::invoke(&runtime, format!("free {number}"), number).await;
            assert_eq!(answer.expect("it succeeds"), number * 2);
        }
        assert!(waiting.try_join_next().is_none(), "they wait");
        transaction.commit().await.expect("it commits");
        for answer in waiting.join_all().await {
            assert_eq!(answer.expect("it succeeds"), 8);
        }
    }

    /// What waits is woken by the commit.
    async fn a_message_in_a_transaction_is_stored_when_it_is_committed(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        payment::schedule(&runtime, "p", ()).await.expect("it is stored");
        suspended(&store).await;
        for commits in [false, true] {
            let mut transaction = rows.begin().await.expect("it begins");
            rows.insert(&mut transaction, "receipt").await.expect("it is inserted");
            transaction.send::<payment>(&runtime, "p", Paid(7)).await.expect("it is written");
            assert_eq!(stored(&store, "Payment", "p").await.message_count, 0);
            if commits {
                transaction.commit().await.expect("it commits");
            } else {
                transaction.rollback().await.expect("it rolls back");
                let row = stored(&store, "Payment", "p").await;
                assert_eq!((row.status, row.message_count), (Status::Suspended, 0));
            }
        }
        assert_eq!(payment::completion(&runtime, "p").await.expect("it succeeds"), 7);
        assert_eq!(rows.names().await, ["receipt"]);
    }

    /// Over transactions, within one, and beside messages without any.
    async fn a_key_counts_once_in_transactions_too(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        let mut transaction = rows.begin().await.expect("it begins");
        transaction.schedule::<payment>(&runtime, "p", ()).await.expect("it is written");
        for (amount, key) in [(7, "a"), (8, "a")] {
            let message = Outgoing::from(Paid(amount)).with_key(key);
            transaction.send::<payment>(&runtime, "p", message).await.expect("it is written");
        }
        transaction.commit().await.expect("it commits");
        assert_eq!(payment::completion(&runtime, "p").await.expect("it succeeds"), 7);
        assert_eq!(stored(&store, "Payment", "p").await.message_count, 1);
        let mut late = rows.begin().await.expect("it begins");
        let message = Outgoing::from(Paid(9)).with_key("a");
        late.send::<payment>(&runtime, "p", message).await.expect("it is stored already");
        late.commit().await.expect("it commits");
        assert_eq!(stored(&store, "Payment", "p").await.message_count, 1);
    }

    /// The transaction goes on.
    async fn a_message_to_nobody_is_refused_and_harms_no_transaction(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        assert_eq!(double::invoke(&runtime, "d", 4).await.expect("it succeeds"), 8);
        let mut transaction = rows.begin().await.expect("it begins");
        let nobody = transaction.send::<payment>(&runtime, "p", Paid(7)).await;
        assert_eq!(refusal(nobody), "there is no instance `Payment/p`");
        let late = transaction.send::<double>(&runtime, "d", Paid(7)).await;
        assert_eq!(refusal(late), "`Double/d` has succeeded and reads no more messages");
        rows.insert(&mut transaction, "order").await.expect("it goes on");
        transaction.commit().await.expect("it commits");
        assert_eq!(rows.names().await, ["order"]);
        assert_eq!(stored(&store, "Double", "d").await.message_count, 0);
    }

    /// Before the transaction is touched.
    async fn bad_input_is_refused_and_harms_no_transaction(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        let mut transaction = rows.begin().await.expect("it begins");
        let no_id = transaction.schedule::<double>(&runtime, "", 4).await;
        assert!(matches!(no_id, Err(InvokeError::Id(_))), "{no_id:?}");
        let large = (0, vec![vec![Save; 500_000]]);
        let too_large = transaction.schedule::<book>(&runtime, "b", large).await;
        assert!(matches!(too_large, Err(InvokeError::TooLarge { field: "parameter", .. })), "{too_large:?}");
        let no_key = Outgoing::from(Paid(7)).with_key("");
        let no_key = transaction.send::<payment>(&runtime, "p", no_key).await;
        assert!(matches!(no_key, Err(InvokeError::Id(_))), "{no_key:?}");
        rows.insert(&mut transaction, "order").await.expect("it goes on");
        transaction.commit().await.expect("it commits");
        assert_eq!(rows.names().await, ["order"]);
        runtime.shutdown().await.expect("it ends");
        let mut late = rows.begin().await.expect("it begins");
        let closed = late.schedule::<double>(&runtime, "d", 4).await;
        assert!(matches!(closed, Err(InvokeError::ShuttingDown)), "{closed:?}");
    }

    /// It says what was given and what is taken.
    async fn what_is_no_transaction_of_the_database_is_refused(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        let taken = match store.kind() {
            Kind::Sqlite => "SQLite takes a `sqlx::Transaction<'static, sqlx::Sqlite>` on its file",
            Kind::Postgres => "PostgreSQL takes a `sqlx::Transaction<'static, sqlx::Postgres>`",
            Kind::MySql => "MySQL takes a `sqlx::Transaction<'static, sqlx::MySql>`",
            Kind::Memory => panic!("memory is no database"),
        };
        let mut text = String::new();
        let (given, problem) = unfit(double::schedule_in(&runtime, &mut text, "d", 4).await);
        assert_eq!(given, type_name::<String>());
        assert!(problem.starts_with(taken), "{problem}");
        assert_eq!(unfit(payment::send_in(&runtime, &mut text, "p", Paid(7)).await), (given, problem));
        let problem = rows.schedule_without::<double>(&runtime, "d", 4).await;
        assert!(refusal(problem).contains("is not in a transaction that sqlx has begun"));
        assert_eq!(instance(&store, "Double", "d").await, None);
        // The same for progress, which is not stored with the failure either.
        let failure = failure(book::invoke(&runtime, "b", (0, vec![vec![Unfit]])).await);
        assert!(failure.message.starts_with("the store cannot write in a `alloc::string::String`: "));
        assert_eq!(booked(&store, "b").await, None);
    }

    /// The next run finds both, whatever becomes of this one.
    async fn progress_survives_with_the_rows_of_its_transaction(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let runs = (0, vec![vec![Commit(1), Commit(2), Hang]]);
        book::schedule(&runtime, "b", runs).await.expect("it is stored");
        eventually(PATIENCE, async || rows.names().await == ["1", "2"]).await;
        assert_eq!(booked(&store, "b").await, numbers("[1,2]"));
        crash(runtime, &store).await;
        let runtime = worker(store.another().await, &probe, &rows).await;
        assert_eq!(book::completion(&runtime, "b").await.expect("it succeeds"), [1, 2]);
        assert_eq!(rows.names().await, ["1", "2"]);
    }

    /// A crash between the save and the commit.
    async fn progress_is_undone_with_the_rows_of_its_transaction(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let runs = (0, vec![vec![Push(7), Save, Open(1), Hang], vec![Commit(2)]]);
        book::schedule(&runtime, "b", runs).await.expect("it is stored");
        probe.begun(1).await;
        eventually(PATIENCE, async || booked(&store, "b").await == numbers("[7]")).await;
        crash(runtime, &store).await;
        let runtime = worker(store.another().await, &probe, &rows).await;
        assert_eq!(book::completion(&runtime, "b").await.expect("it succeeds"), [7, 2]);
        assert_eq!(rows.names().await, ["2"]);
        assert_eq!(probe.notes(), ["[]", "[7]"]);
    }

    /// Whatever the outcome: it leaves the stored scrapbook as it is, and the next run begins with that.
    async fn no_outcome_stores_progress_that_was_rolled_back(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        for last in [Open(2), RollBack(2)] {
            for end in [vec![], vec![Fail], vec![Panic], vec![PutOff]] {
                let id = format!("{last:?} {end:?}");
                let is_put_off = matches!(end[..], [PutOff]);
                let first = [vec![Push(7), Save, Commit(1), last, Push(3)], end].concat();
                let answer = book::invoke(&runtime, id.as_str(), (probe.runs(), vec![first])).await;
                if is_put_off {
                    assert_postponed(answer);
                    let answer = book::completion(&runtime, id.as_str()).await;
                    assert_eq!(answer.expect("the next run succeeds"), [7, 1]);
                }
                assert_eq!(booked(&store, &id).await, numbers("[7,1]"), "{id}");
            }
        }
        assert_eq!(rows.names().await, ["1"; 8]);
    }

    /// What was committed before, and what came after it, is stored with the outcome as always.
    async fn an_outcome_stores_what_came_after_a_committed_save(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        let first = vec![RollBack(1), Commit(2), Push(3), Once, Push(4)];
        let answer = book::invoke(&runtime, "b", (0, vec![first])).await;
        assert_eq!(answer.expect("it succeeds"), [1, 2, 3, 4]);
        assert_eq!((booked(&store, "b").await, rows.names().await), (numbers("[1,2,3,4]"), vec!["2".to_owned()]));
    }

    /// The body knows better: it stores what is in memory.
    async fn a_save_after_a_rolled_back_one_stores_the_state_of_then(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        let first = vec![RollBack(1), Push(2), Save, Push(3)];
        let answer = book::invoke(&runtime, "b", (0, vec![first])).await;
        assert_eq!(answer.expect("it succeeds"), [1, 2, 3]);
        assert_eq!((booked(&store, "b").await, rows.names().await), (numbers("[1,2,3]"), vec![]));
    }

    /// Notes of the run are stored meanwhile, under a later number.
    async fn a_run_repeated_in_memory_begins_with_what_is_stored(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let runs = vec![
            vec![Push(7), Save, RollBack(1), Once, Push(8), Repeat],
            vec![Commit(2), Push(3), Repeat],
            vec![Open(4), Fail],
        ];
        let failure = failure(book::invoke(&runtime, "b", (0, runs)).await);
        assert_eq!(failure.message, "told to fail");
        assert_eq!(probe.notes(), ["[]", "[7]", "[7, 2, 3]"]);
        assert_eq!((booked(&store, "b").await, rows.names().await), (numbers("[7,2]"), vec!["2".to_owned()]));
        assert_eq!(stored(&store, "Book", "b").await.attempts, 1);
    }

    /// Its rows are not stored either.
    async fn a_run_that_has_lost_its_instance_commits_nothing(store: TestStore) {
        let (runtime, rows, probe) = shop(&store).await;
        let runs = (0, vec![vec![Gate, Commit(1), Hang], vec![Commit(2)]]);
        book::schedule(&runtime, "b", runs).await.expect("it is stored");
        probe.begun(1).await;
        let panel = book::control_panel(&runtime, "b").await.expect("it is there");
        panel.postpone_for(ms(0)).await.expect("it is put off");
        probe.open();
        assert_eq!(book::completion(&runtime, "b").await.expect("it succeeds"), [2]);
        eventually(PATIENCE, async || runtime.running() == 0).await;
        assert_eq!((booked(&store, "b").await, rows.names().await), (numbers("[2]"), vec!["2".to_owned()]));
    }

    /// It does not wait for itself for ever. On SQLite it holds up signs of life as well, and may lose its lease first.
    async fn what_a_run_stores_while_its_transaction_is_open_fails(store: TestStore) {
        let (runtime, rows, _) = shop(&store).await;
        book::schedule(&runtime, "b", (0, vec![vec![Open(1), Once]])).await.expect("it is stored");
        let (answer, expected) = match book::completion(&runtime, "b").await {
            Err(InvokeError::Failed(failure)) => (failure.message, None),
            other => (format!("{:?} on {:?}", other.expect("it runs again"), store.kind()), numbers("[]")),
        };
        let said = "the transaction that `Book/b` has saved in is still open";
        assert!(answer.starts_with(said) || answer == "[] on Sqlite", "{answer}");
        assert_eq!((booked(&store, "b").await, rows.names().await), (expected, vec![]));
    }

    /// The outcome leaves the scrapbook to the transaction, whichever way that ends.
    async fn an_outcome_waits_for_a_transaction_that_was_left_open(store: TestStore) {
        let (rows, probe, held) = (Rows::beside(&store).await, Probe::default(), HeldStore::new(store.another().await));
        let runtime = worker(held.clone(), &probe, &rows).await;
        for commits in [true, false] {
            let id = if commits { "committed" } else { "rolled back" };
            let runs = (probe.runs(), vec![vec![Leave(1), Push(2)]]);
            // A transaction that ends before the run looks for it is one that was not left open.
            let has_looked = Point::After(Call::Get);
            held.hold([has_looked]);
            book::schedule(&runtime, id, runs).await.expect("it is stored");
            timeout(PATIENCE, held.reached(has_looked)).await.expect("it looks in time");
            held.release();
            let left = rows.take().expect("it was left");
            // Other work goes on beside it, but on SQLite, where a transaction holds all of the database.
            if store.kind() != Kind::Sqlite {
                double::invoke(&runtime, id, 4).await.expect("it succeeds");
            }
            assert_eq!(stored(&store, "Book", id).await.status, Status::Executing);
            if commits {
                left.commit().await.expect("it commits");
            } else {
                left.rollback().await.expect("it rolls back");
            }
            assert_eq!(book::completion(&runtime, id).await.expect("it succeeds"), [1, 2]);
            assert_eq!(booked(&store, id).await, numbers("[1]").filter(|_| commits));
        }
        assert_eq!(rows.names().await, ["1"]);
    }
}

/// There are no rows that could be stored together with anything.
#[tokio::test]
async fn memory_has_no_transactions() {
    #[resilient_fn(type_id = "SavesIn", register = false)]
    async fn saves_in((): (), booked: &mut Scrapbook<Booked>) -> resilient::Result<()> {
        booked.numbers.push(1);
        booked.save_in(&mut 7_u8).await?;
        Ok(())
    }
    let store = open(Kind::Memory).await.expect("memory is always there");
    let builder = builder(store.clone(), &Probe::default()).register::<payment>().register::<saves_in>();
    let runtime = builder.start().await.expect("a runtime starts");
    let expected = (type_name::<u8>(), "it has no transactions that its user could share".to_owned());
    assert_eq!(unfit(double::schedule_in(&runtime, &mut 7_u8, "d", 4).await), expected);
    assert_eq!(unfit(payment::send_in(&runtime, &mut 7_u8, "p", Paid(7)).await), expected);
    let failure = failure(saves_in::invoke(&runtime, "s", ()).await);
    assert_eq!(
        failure.message,
        "the store cannot write in a `u8`: it has no transactions that its user could share"
    );
    assert_eq!(stored(&store, "SavesIn", "s").await.scrapbook, None);
    assert_eq!(instance(&store, "Double", "d").await, None);
}
