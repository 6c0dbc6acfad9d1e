//! What overlaps: a task that a body has left behind with the next try, a caller with a query that is under way, old code
//! with a message that only newer code reads.

use std::pin::pin;

use resilient::middleware::Retry;
use resilient::prelude::*;
use resilient::{Runtime, Status};
use resilient_tests::faults::Call;
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::{eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{PATIENCE, Probe, builder, double, ms, quick, secs, stored};

/// Its first try leaves tasks behind that make the call, too.
#[resilient_fn(type_id = "Overlaps.Pay", register = false)]
async fn pay((): (), context: &Context, probe: Dep<Probe>) -> resilient::Result<u32> {
    let call = |probe: Dep<Probe>| async move {
        probe.note("paid");
        Ok::<u32, String>(7)
    };
    if context.mode() == Mode::FirstRun {
        for name in ["other", "pay"] {
            let (context, probe) = (context.clone(), probe.clone());
            tokio::spawn(async move { context.once(name, || call(probe)).await });
        }
        tokio::task::yield_now().await;
        return Err(resilient::Error::msg("try again"));
    }
    match context.once("pay", || call(probe)).await {
        // The task was faster.
        Err(error) if error.unknown_outcome().is_some() => Ok(0),
        paid => Ok(paid?),
    }
}

/// The first run leaves a task behind that makes the call when it is let go.
#[resilient_fn(type_id = "Overlaps.Late", register = false)]
async fn late((): (), context: &Context, probe: Dep<Probe>) -> resilient::Result<u32> {
    probe.begin();
    if probe.runs() == 1 {
        let (context, probe) = (context.clone(), probe.clone());
        tokio::spawn(async move {
            probe.gate().await;
            let paid = context.once("pay", async || Ok::<u32, String>(1)).await;
            probe.note(format!("left behind: {}", paid.is_ok()));
        });
        Err(Postpone::for_(ms(1)))?;
    }
    Ok(context.once("pay", async || Ok::<u32, String>(2)).await?)
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Overlaps.Paid")]
struct Paid {
    amount: u32,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Overlaps.Paid", version = 2, v1 = Paid)]
struct PaidInCents {
    cents: u32,
}

impl From<Paid> for PaidInCents {
    fn from(paid: Paid) -> Self {
        Self { cents: paid.amount * 100 }
    }
}

#[resilient_fn(type_id = "Overlaps.Order", register = false)]
async fn order((): (), context: &Context) -> resilient::Result<Option<u32>> {
    let paid = context.messages().next_within::<Paid>("payment", ms(50)).await?;
    Ok(paid.map(|paid| paid.amount))
}

mod newer {
    use super::{Context, PaidInCents, ms, resilient_fn};

    #[resilient_fn(type_id = "Overlaps.Order", register = false)]
    pub(super) async fn order((): (), context: &Context) -> resilient::Result<Option<u32>> {
        let paid = context.messages().next_within::<PaidInCents>("payment", ms(50)).await?;
        Ok(paid.map(|paid| paid.cents))
    }
}

async fn started(builder: resilient::Builder) -> Runtime {
    builder.start().await.expect("a runtime starts")
}

on_every_store! {
    /// Whoever of the two is first: the other one does not make the call.
    async fn a_task_of_an_earlier_try_makes_no_call_twice(store: TestStore) {
        for number in 0..20 {
            let probe = Probe::default();
            let retry = Retry::linear(ms(1), ms(0)).in_memory_below(ms(100));
            let runtime = started(builder(store.clone(), &probe).register::<pay>().middleware(retry)).await;
            pay::invoke(&runtime, format!("{number}"), ()).await.expect("it succeeds");
            // The task called `other` may note one of its own.
            assert!(probe.notes().len() <= 2, "{number}: {:?}", probe.notes());
            runtime.shutdown().await.expect("the store is there");
        }
    }

    /// What the outcome stores is all that was noted: nothing is lost because it came later.
    async fn no_call_is_made_after_the_outcome(store: TestStore) {
        let probe = Probe::default();
        let tool = started(builder(store.another().await, &probe).register::<late>().take_no_work()).await;
        let held = HeldStore::new(store.clone());
        let runtime = started(builder(held.clone(), &probe).register::<late>()).await;
        held.hold([Point::Before(Call::Write)]);
        late::schedule(&tool, "1", ()).await.expect("it is stored");
        held.reached(Point::Before(Call::Write)).await;
        probe.open();
        eventually(PATIENCE, async || !probe.notes().is_empty()).await;
        assert_eq!(probe.notes(), ["left behind: false"]);
        held.release();
        assert_eq!(late::completion(&runtime, "1").await.expect("it succeeds"), 2);
    }

    /// It has come in time, and whether it decides is for newer code to say.
    async fn old_code_does_not_give_up_on_a_message_of_newer_code(store: TestStore) {
        let probe = Probe::default();
        let old = started(builder(store.clone(), &probe).register::<order>()).await;
        let message = PaidInCents { cents: 700 }.into();
        old.schedule_with::<order>("1", (), [message]).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Overlaps.Order", "1").await.status == Status::Suspended).await;
        let row = stored(&store, "Overlaps.Order", "1").await;
        assert!(row.reason.is_some_and(|reason| reason.contains("version 2")), "a person is told");
        assert!(row.due_at > Some(row.updated_at), "it is not looked at again and again");
        old.shutdown().await.expect("the store is there");
        let new = started(builder(store.another().await, &probe).register::<newer::order>()).await;
        let ended = newer::order::reinvoke(&new, "1").await.expect("it succeeds");
        assert_eq!(ended, Some(700));
    }

    /// Even when it stands in line behind one who asked before.
    async fn a_caller_gets_no_answer_that_is_older_than_itself(store: TestStore) {
        let probe = Probe::default();
        let held = HeldStore::new(store.clone());
        let settings = quick().poll(secs(3600));
        let runtime = started(builder(held.clone(), &probe).settings(settings)).await;
        held.hold([Point::After(Call::Get)]);
        let early = tokio::spawn({
            let runtime = runtime.clone();
            async move { double::completion(&runtime, "1").await }
        });
        held.reached(Point::After(Call::Get)).await;
        double::schedule(&runtime, "1", 2).await.expect("it is stored");
        let mut later = pin!(double::completion(&runtime, "1"));
        tokio::select! {
            biased;
            answer = &mut later => panic!("nobody could know: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
        held.release();
        assert_eq!(later.await.expect("it was stored before it was asked for"), 4);
        let early = early.await.expect("the task ends");
        assert!(matches!(early, Ok(4) | Err(InvokeError::NotFound { .. })), "{early:?}");
    }
}
