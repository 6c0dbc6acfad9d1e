//! Results are deleted after their time, in batches, and nothing else is.

use std::time::Duration;

use resilient::prelude::*;
use resilient::store::{After, Create, Ending, Finish, Start, Write, Written};
use resilient::{
    Builder, Epoch, Filter, FunctionId, FunctionSettings, InMemoryStore, Payload, ReplicaId, Retention, Store,
};
use resilient_tests::faults::Call;
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::{FaultyStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    Act, PATIENCE, Probe, builder, double, fail_as_told, failure, gated, ms, play, quick, secs, stored,
};

#[derive(Debug, Serialize, Deserialize, Message)]
struct Said(String);

/// Says what it is told first.
#[resilient_fn(type_id = "Echo", register = false)]
async fn echo((): (), context: &Context, probe: Dep<Probe>) -> resilient::Result<String> {
    probe.begin();
    Ok(context.messages().next::<Said>().await?.0)
}

/// The shortest time that settings for tests take.
const SHORT: Retention = Retention::For(ms(400));

/// Fails at first, when its children have done their work.
#[resilient_fn(type_id = "Repaired", register = false)]
async fn repaired((): (), context: &Context) -> resilient::Result<u64> {
    context.schedule::<double>("left", 1).await?;
    let one = context.invoke::<double>("one", 2).await?;
    let many = context.invoke_all::<double>([("a", 3), ("b", 4)]).await?;
    if context.attempt() == 1 {
        return Err(resilient::Error::msg("to be repaired"));
    }
    Ok(one + many.iter().sum::<u64>())
}

/// A process that deletes results soon.
fn forgetful(store: impl Store, probe: &Probe) -> Builder {
    let builder = builder(store, probe).register::<echo>().register::<repaired>();
    builder.settings(quick().retention(SHORT).stay_in_memory(secs(60)))
}

/// Waits until an instance is gone.
async fn gone(store: &impl Store, type_id: &str, id: &str) {
    let id = FunctionId::new(type_id, id);
    eventually(PATIENCE, async || {
        store.get(std::slice::from_ref(&id)).await.expect("the store works") == [None]
    })
    .await;
}

/// How many instances there are.
async fn count(store: &impl Store) -> usize {
    let all = store.list(&Filter { limit: 10_000, ..Filter::default() }).await;
    all.expect("the store works").len()
}

/// Leaves as many results as it is told, past all runtimes.
async fn leave_results(store: &impl Store, type_id: &str, results: usize) {
    let owner = ReplicaId::random();
    let ids: Vec<_> = (0..results).map(|number| FunctionId::new(type_id, number.to_string())).collect();
    let create = |id: &FunctionId| {
        Write::Create(Create::new(id.clone(), Start::Running(owner), 1, Payload::new(1, "4")))
    };
    let finish = |id: &FunctionId| {
        let ending = Ending::Succeeded(Payload::new(1, "8"));
        Write::Finish(Finish::without_progress(id.clone(), owner, Epoch::ZERO, ending))
    };
    for page in ids.chunks(500) {
        for batch in [page.iter().map(create).collect::<Vec<_>>(), page.iter().map(finish).collect()] {
            let written = store.write(&batch).await.expect("the store works");
            assert_eq!(written, vec![Written::Done; page.len()]);
        }
    }
}

on_every_store! {
    /// With its messages; then its id is as new.
    async fn a_result_is_deleted_after_its_time(store: TestStore) {
        let probe = Probe::default();
        let runtime = forgetful(store.another().await, &probe).start().await.expect("it starts");
        let message = || Outgoing::from(Said("hello".to_owned())).with_key("1");
        let heard = runtime.invoke_with::<echo>("1", (), [message()]).await;
        assert_eq!(heard.expect("it succeeds"), "hello");
        let again = echo::invoke(&runtime, "1", ()).await;
        assert_eq!(again.expect("it is there for a while"), "hello");
        assert_eq!(probe.runs(), 1);
        gone(&store, "Echo", "1").await;
        let all = After { id: FunctionId::new("Echo", "1"), position: 0 };
        assert_eq!(store.messages(&[all], 10).await.expect("the store works"), [vec![]]);
        assert!(matches!(echo::completion(&runtime, "1").await, Err(InvokeError::NotFound { .. })));
        let anew = runtime.invoke_with::<echo>("1", (), [message()]).await;
        assert_eq!(anew.expect("it runs anew"), "hello");
        assert_eq!(probe.runs(), 2);
    }

    /// What has failed waits for a person, also when somebody has asked for it, and the rest is not over.
    async fn only_results_are_deleted(store: TestStore) {
        let probe = Probe::default();
        let runtime = forgetful(store.another().await, &probe).start().await.expect("it starts");
        fail_as_told(&runtime, "failed").await;
        double::schedule_after(&runtime, "cancelled", 4, secs(3600)).await.expect("it is stored");
        double::cancel(&runtime, "cancelled").await.expect("it waits");
        play::schedule(&runtime, "postponed", vec![Act::Postpone(3_600_000)]).await.expect("it is stored");
        double::schedule_after(&runtime, "scheduled", 4, secs(3600)).await.expect("it is stored");
        echo::schedule(&runtime, "suspended", ()).await.expect("it is stored");
        gated::schedule(&runtime, "executing", 4).await.expect("it is stored");
        probe.begun(4).await;
        for round in 0..2 {
            double::invoke(&runtime, "over", 4).await.expect("it succeeds");
            gone(&store, "Double", "over").await;
            assert_eq!(count(&store).await, 6, "after round {round}");
        }
        probe.open();
        gated::completion(&runtime, "executing").await.expect("it succeeds");
        gone(&store, "Gated", "executing").await;
    }

    /// It may run again, and must not begin anew what its children have done: money is captured once.
    async fn the_children_of_a_failed_parent_are_kept(store: TestStore) {
        let probe = Probe::default();
        let runtime = forgetful(store.another().await, &probe).start().await.expect("it starts");
        assert_eq!(failure(repaired::invoke(&runtime, "1", ()).await).message, "to be repaired");
        double::completion(&runtime, "1/left").await.expect("it succeeds");
        // It is younger than they are, and of their type: when it is gone, they were looked at.
        double::invoke(&runtime, "over", 4).await.expect("it succeeds");
        gone(&store, "Double", "over").await;
        assert_eq!((count(&store).await, probe.runs()), (5, 5));
        assert_eq!(repaired::reinvoke(&runtime, "1").await.expect("it is repaired"), 18);
        assert_eq!(probe.runs(), 5, "no child has run again");
        eventually(PATIENCE, async || count(&store).await == 0).await;
    }

    /// A type may keep its results for ever, or for another time than all others.
    async fn each_type_has_its_time(store: TestStore) {
        let probe = Probe::default();
        let own = |retention| FunctionSettings::default().retention(retention);
        let runtime = builder(store.another().await, &probe)
            .settings(quick().retention(Retention::Forever))
            .function_settings::<double>(own(SHORT))
            .function_settings::<gated>(own(Retention::For(secs(3600))))
            .function_settings::<play>(FunctionSettings::default().max_running(10));
        let runtime = runtime.start().await.expect("it starts");
        probe.open();
        for round in 0..2 {
            gated::invoke(&runtime, format!("{round}"), 4).await.expect("it succeeds");
            play::invoke(&runtime, format!("{round}"), vec![]).await.expect("it succeeds");
            double::invoke(&runtime, "1", 4).await.expect("it succeeds");
            gone(&store, "Double", "1").await;
        }
        assert_eq!(count(&store).await, 4);
    }

    /// In several statements, by all replicas together.
    async fn a_backlog_is_deleted_in_batches(store: TestStore) {
        leave_results(&store, "Double", 1_300).await;
        leave_results(&store, "Unknown", 3).await;
        let probe = Probe::default();
        let counting = FaultyStore::counting(store.another().await).counting_only(&[Call::Expire]);
        let one = forgetful(counting.clone(), &probe).start().await.expect("it starts");
        let other = forgetful(store.another().await, &probe).start().await.expect("it starts");
        eventually(PATIENCE, async || count(&store).await == 3).await;
        assert!(counting.count() > 0, "both look");
        one.shutdown().await.expect("it ends");
        other.shutdown().await.expect("it ends");
        assert_eq!(count(&store).await, 3, "what nobody here knows is left to those who do");
    }

    /// A tool deletes nothing, and neither does a runtime that keeps everything.
    async fn what_takes_no_work_deletes_nothing(store: TestStore) {
        leave_results(&store, "Double", 3).await;
        let probe = Probe::default();
        let counting = FaultyStore::counting(store.another().await);
        let tool = forgetful(counting.clone(), &probe).take_no_work().start().await.expect("it starts");
        let keeping = builder(counting.clone(), &probe).settings(quick().retention(Retention::Forever));
        let keeping = keeping.start().await.expect("it starts");
        let begun = counting.calls().iter().filter(|call| **call == Call::Beat).count();
        eventually(PATIENCE, async || {
            counting.calls().iter().filter(|call| **call == Call::Beat).count() > begun + 40
        })
        .await;
        assert!(!counting.calls().contains(&Call::Expire), "nothing is asked");
        assert_eq!(count(&store).await, 3);
        tool.shutdown().await.expect("it ends");
        keeping.shutdown().await.expect("it ends");
    }
}

/// The days that are documented, and the rhythm.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_result_is_kept_for_thirty_days() {
    const DAY: Duration = Duration::from_hours(24);
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let start = async || builder(store.clone(), &probe).settings(Settings::default()).start().await;
    let first = start().await.expect("it starts");
    double::invoke(&first, "1", 4).await.expect("it succeeds");
    fail_as_told(&first, "1").await;
    first.shutdown().await.expect("it ends");
    tokio::time::sleep(29 * DAY + secs(23 * 3600)).await;
    let next = start().await.expect("it starts");
    tokio::time::sleep(secs(3590)).await;
    assert_eq!(count(&store).await, 2, "the month is not over");
    tokio::time::sleep(secs(611)).await;
    assert_eq!(count(&store).await, 1, "it looks every 10 minutes at most");
    assert_eq!(stored(&store, "Play", "1").await.status, Status::Failed);
    next.shutdown().await.expect("it ends");
    tokio::time::sleep(400 * DAY).await;
    let last = start().await.expect("it starts");
    double::invoke(&last, "1", 4).await.expect("it runs anew");
    tokio::time::sleep(secs(1200)).await;
    assert_eq!((count(&store).await, probe.runs()), (2, 3), "a failure stays, however old");
}

/// A process that does not live for long deletes, too; one with a backlog does not live for longer than it should.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_it_begins_soon_and_ends_with_the_runtime() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    leave_results(&store, "Double", 2_000).await;
    tokio::time::sleep(Duration::from_hours(31 * 24)).await;
    let held = HeldStore::new(store.clone());
    held.hold([Point::After(Call::Expire)]);
    let runtime = builder(held.clone(), &probe).settings(Settings::default()).start().await;
    let runtime = runtime.expect("it starts");
    tokio::time::timeout(secs(5), held.reached(Point::After(Call::Expire))).await.expect("it begins soon");
    runtime.shutdown().await.expect("it ends");
    held.release();
    tokio::time::sleep(secs(60)).await;
    assert_eq!(count(&store).await, 1_500, "one batch, and no other after the end");
}

/// An error is reported, and the next pass goes on.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_deletes_later() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    leave_results(&store, "Double", 3).await;
    let faulty = FaultyStore::failing(store.clone(), 1, resilient_tests::faults::Fault::Before);
    let faulty = faulty.counting_only(&[Call::Expire]);
    let (told, heard) = std::sync::mpsc::channel();
    let runtime =
        forgetful(faulty, &probe).on_error(move |error| told.send(error.activity).expect("the test listens"));
    let _runtime = runtime.start().await.expect("it starts");
    eventually(PATIENCE, async || count(&store).await == 0).await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["expire"]);
}
