//! Calls that must not happen twice, and calls that have to happen: what is stored of them, and what a later run does.

use std::time::Duration;

use resilient::middleware::{Invocation, Middleware, Next, Retry};
use resilient::prelude::*;
use resilient::{Builder, Failure, GuardError, Journal, Json, RawOutcome, Store};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::{FaultyStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::common::{PATIENCE, Probe, assert_postponed, builder, crash, failure, ms, stored};

/// How the call is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    MostField,
    MostName,
    LeastField,
    LeastName,
}

pub(crate) const MOST: [Form; 2] = [Form::MostField, Form::MostName];
const LEAST: [Form; 2] = [Form::LeastField, Form::LeastName];
const ALL: [Form; 4] = [Form::MostField, Form::MostName, Form::LeastField, Form::LeastName];

impl Form {
    fn id(self) -> String {
        format!("{self:?}")
    }

    /// What the guard is called, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MostField => "shipping",
            Self::MostName => "ship",
            Self::LeastField => "label",
            Self::LeastName => "print",
        }
    }

    /// The failure of a run that finds the call begun.
    pub(crate) fn in_doubt(self) -> Failure {
        let text = format!(
            "the outcome of `{}` is unknown: its call was begun, and its end was not noted; \
             find out what happened, and resolve it through a control panel",
            self.name()
        );
        Failure::new("unknown outcome", text)
    }
}

/// What the call does when it is made for the n-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Tell,
    Fail,
    Panic,
    Postpone,
    Hang,
    /// Answers with a number that cannot be stored.
    NaN,
}

/// What the call answers with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) number: usize,
    pub(crate) weight: f64,
}

impl Parcel {
    pub(crate) fn of(number: usize) -> Self {
        Self { number, weight: 0.1 }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Order {
    pub(crate) runs: u32,
    pub(crate) shipping: AtMostOnce<Parcel>,
    pub(crate) label: AtLeastOnce<Parcel>,
}

/// Makes one call, guarded as it is told; each time the call is made, the probe counts.
#[resilient_fn(type_id = "Guarded", register = false)]
pub(crate) async fn guarded(
    (form, answers): (Form, Vec<Answer>),
    order: &mut Scrapbook<Order>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<Parcel> {
    order.runs += 1;
    let call = async || -> resilient::Result<Parcel> {
        probe.begin();
        let number = probe.runs();
        match answers.get(number - 1).unwrap_or(&Answer::Tell) {
            Answer::Tell => Ok(Parcel::of(number)),
            Answer::Fail => Err(resilient::Error::msg("no answer")),
            Answer::Panic => panic!("told to panic"),
            Answer::Postpone => Err(Postpone::for_(ms(1)))?,
            Answer::Hang => std::future::pending().await,
            Answer::NaN => Ok(Parcel { number, weight: f64::NAN }),
        }
    };
    let parcel = match form {
        Form::MostField => order.at_most_once(|s| &mut s.shipping, call).await?,
        Form::MostName => context.once("ship", call).await?,
        Form::LeastField => order.at_least_once(|s| &mut s.label, call).await?,
        Form::LeastName => context.at_least_once("print", call).await?,
    };
    Ok(parcel)
}

/// A call that says itself that nothing has happened may be made again.
#[resilient_fn(type_id = "Knowing", register = false)]
async fn knowing((): (), order: &mut Scrapbook<Order>, probe: Dep<Probe>) -> resilient::Result<Parcel> {
    let call = async || {
        probe.begin();
        if probe.runs() == 1 { Err("out of parcels") } else { Ok(Parcel::of(probe.runs())) }
    };
    match order.at_most_once(|s| &mut s.shipping, call).await {
        Err(GuardError::Call { .. }) => {
            order.shipping = AtMostOnce::NotStarted;
            Err(Postpone::for_(ms(1)))?
        }
        shipped => Ok(shipped?),
    }
}

fn describe(store: impl Store, probe: &Probe) -> Builder {
    builder(store, probe).register::<guarded>()
}

pub(crate) async fn start(store: impl Store, probe: &Probe) -> Runtime {
    describe(store, probe).start().await.expect("a runtime starts")
}

/// What is stored of the call: its guard in the scrapbook, and those that have names.
pub(crate) async fn noted(store: &impl Store, id: &str) -> (Order, Journal) {
    let row = stored(store, "Guarded", id).await;
    let order = row.scrapbook.map(|book| serde_json::from_str(&book.body).expect("it is an order"));
    (order.unwrap_or_default(), Journal::read(row.journal.as_deref()).expect("it is a journal"))
}

/// Whether the call is stored as begun and not as ended.
async fn is_begun(store: &impl Store, form: Form) -> bool {
    let (order, journal) = noted(store, &form.id()).await;
    match form {
        Form::MostField => order.shipping == AtMostOnce::Started,
        Form::MostName => journal.once.get("ship") == Some(&AtMostOnce::Started),
        Form::LeastField | Form::LeastName => false,
    }
}

/// Runs what is inside twice, whatever comes of it, as a retry in memory does.
struct Twice;

impl Middleware for Twice {
    async fn handle(&self, _: &Invocation, next: Next<'_>) -> RawOutcome {
        next.run().await;
        next.run().await
    }
}

on_every_store! {
    /// In the run that made it, in later ones, and in other processes; its stored form is for people, too.
    async fn a_call_that_was_made_is_not_made_again(store: TestStore) {
        let probe = Probe::default();
        for (made, form) in ALL.into_iter().enumerate() {
            let runtime = start(store.another().await, &probe).await;
            let parcel = Parcel::of(made + 1);
            let id = form.id();
            assert_eq!(guarded::invoke(&runtime, &id, (form, Vec::new())).await.expect("it succeeds"), parcel);
            drop(runtime);
            let runtime = start(store.another().await, &probe).await;
            assert_eq!(guarded::reinvoke(&runtime, &id).await.expect("it succeeds"), parcel);
            assert_eq!(probe.runs(), made + 1, "{form:?} is made once");
            let (order, journal) = noted(&store, &id).await;
            assert_eq!(order.runs, 2);
            let value = Json::of(&parcel).expect("it can be stored");
            match form {
                Form::MostField => assert_eq!(order.shipping, AtMostOnce::Done(parcel)),
                Form::LeastField => assert_eq!(order.label, AtLeastOnce::Done(parcel)),
                Form::MostName => assert_eq!(journal.once.get("ship"), Some(&AtMostOnce::Done(value))),
                Form::LeastName => {
                    assert_eq!(journal.at_least_once.get("print"), Some(&AtLeastOnce::Done(value)));
                }
            }
        }
    }

    /// An error, a panic, a postponement: whatever ended the call, whether it happened is unknown.
    async fn a_call_that_was_begun_is_not_begun_again(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.clone(), &probe).await;
        let mut made = 0;
        for form in MOST {
            for answer in [Answer::Fail, Answer::Panic, Answer::Postpone] {
                let id = format!("{form:?} {answer:?}");
                let answers = vec![answer; made + 1];
                made += 1;
                let first = guarded::invoke(&runtime, &id, (form, answers)).await;
                match answer {
                    Answer::Fail => {
                        let text = format!("the call of `{}` failed", form.name());
                        assert_eq!(failure(first).to_string().split_once(": ").map(|(_, said)| said.to_owned()),
                            Some(format!("{text}: no answer")));
                    }
                    Answer::Panic => assert_eq!(failure(first), Failure::new("panic", "told to panic")),
                    _ => {
                        assert_postponed(first);
                        let ended = guarded::completion(&runtime, &id).await;
                        assert_eq!(failure(ended), form.in_doubt());
                    }
                }
                assert_eq!(failure(guarded::reinvoke(&runtime, &id).await), form.in_doubt());
                assert_eq!(probe.runs(), made, "{id}: it was not made again");
            }
        }
    }

    /// Without a crash and without another run, too.
    async fn a_retry_in_memory_does_not_begin_it_again(store: TestStore) {
        let probe = Probe::default();
        let runtime = describe(store.clone(), &probe).middleware(Twice).start().await.expect("it starts");
        for (made, form) in MOST.into_iter().enumerate() {
            let answers = vec![Answer::Fail; made + 1];
            let ended = guarded::invoke(&runtime, form.id(), (form, answers)).await;
            assert_eq!((failure(ended), probe.runs()), (form.in_doubt(), made + 1));
        }
        for (more, form) in LEAST.into_iter().enumerate() {
            let answers = vec![Answer::Fail; 2 + 2 * more + 1];
            let parcel = guarded::invoke(&runtime, form.id(), (form, answers)).await.expect("it succeeds");
            assert_eq!(parcel, Parcel::of(2 + 2 * (more + 1)), "{form:?} is made until it answers");
        }
        let again = guarded::invoke(&runtime, "again", (Form::MostName, Vec::new())).await;
        assert_eq!(again.expect("a name is free again in the next try"), Parcel::of(7));
    }

    /// The next try finds it begun, and after that there is none.
    async fn a_retry_policy_does_not_begin_it_again(store: TestStore) {
        for form in MOST {
            let probe = Probe::default();
            let retry = Retry::linear(ms(1), Duration::ZERO);
            let runtime = describe(store.another().await, &probe).middleware(retry).start().await.expect("it starts");
            guarded::schedule(&runtime, form.id(), (form, vec![Answer::Fail])).await.expect("it is stored");
            let ended = guarded::completion(&runtime, form.id()).await;
            assert_eq!((failure(ended), probe.runs()), (form.in_doubt(), 1));
            assert_eq!(stored(&store, "Guarded", &form.id()).await.attempts, 2);
        }
    }

    /// The field is the author's: set back, and stored with the outcome, it lets the next run make the call.
    async fn code_that_knows_better_sets_the_field_back(store: TestStore) {
        let probe = Probe::default();
        let runtime = describe(store.clone(), &probe).register::<knowing>().start().await.expect("it starts");
        assert_postponed(knowing::invoke(&runtime, "1", ()).await);
        assert_eq!(knowing::completion(&runtime, "1").await.expect("it succeeds"), Parcel::of(2));
    }

    /// The process dies between marker and result.
    async fn a_crash_in_the_middle_leaves_it_unknown(store: TestStore) {
        for form in MOST {
            let probe = Probe::default();
            let lost = start(store.another().await, &probe).await;
            guarded::schedule(&lost, form.id(), (form, vec![Answer::Hang])).await.expect("it is stored");
            probe.begun(1).await;
            assert!(is_begun(&store, form).await, "the marker is stored before the call");
            crash(lost, &store).await;
            let next = start(store.another().await, &probe).await;
            assert_eq!(failure(guarded::completion(&next, form.id()).await), form.in_doubt());
            assert_eq!(probe.runs(), 1);
            assert!(is_begun(&store, form).await, "what is not known stays so");
        }
    }

    /// Work that has to happen: a run that ends half-way makes the call again.
    async fn a_call_that_has_to_happen_is_made_until_it_has(store: TestStore) {
        for form in LEAST {
            let probe = Probe::default();
            let lost = start(store.another().await, &probe).await;
            let answers = vec![Answer::Hang, Answer::Postpone, Answer::Fail];
            guarded::schedule(&lost, form.id(), (form, answers)).await.expect("it is stored");
            probe.begun(1).await;
            crash(lost, &store).await;
            let next = start(store.another().await, &probe).await;
            let text = format!("the call of `{}` failed: no answer", form.name());
            let found = failure(guarded::completion(&next, form.id()).await);
            assert!(found.to_string().ends_with(&text), "{found}");
            assert_eq!(guarded::reinvoke(&next, form.id()).await.expect("it succeeds"), Parcel::of(4));
            assert_eq!(guarded::reinvoke(&next, form.id()).await.expect("it is done"), Parcel::of(4));
        }
    }

    /// The store is away, its answer is lost, the process crashes: at each of its writes.
    async fn no_fault_makes_the_call_twice(store: TestStore) {
        for form in MOST {
            let survived = async |faulty: FaultyStore| {
                let (probe, id) = (Probe::default(), Uuid::new_v4().to_string());
                let runtime = start(faulty.counting_only(&[Call::Write]), &probe).await;
                let ended = match guarded::invoke(&runtime, &id, (form, Vec::new())).await {
                    // The start itself was refused, or its answer was lost: asking again is safe.
                    Err(InvokeError::Store(_)) => guarded::invoke(&runtime, &id, (form, Vec::new())).await,
                    ended => ended,
                };
                assert_eq!(ended.expect("nothing was lost"), Parcel::of(1));
                assert_eq!(probe.runs(), 1);
            };
            let runs = at_every_call(&Fault::ERRORS, async || store.clone(), survived).await;
            assert!(runs >= 2 * 4, "a start, a marker, a result and an end: {runs} runs");
            let crashed = async |faulty: FaultyStore| {
                let (probe, id) = (Probe::default(), Uuid::new_v4().to_string());
                let lost = start(faulty.clone().counting_only(&[Call::Write]), &probe).await;
                let caller = tokio::spawn({
                    let (lost, id) = (lost.clone(), id.clone());
                    async move { guarded::invoke(&lost, &id, (form, Vec::new())).await }
                });
                eventually(PATIENCE, async || faulty.fired() || caller.is_finished()).await;
                caller.abort();
                let _ = caller.await;
                crash(lost, &store).await;
                let next = start(store.clone(), &probe).await;
                match guarded::invoke(&next, &id, (form, Vec::new())).await {
                    Ok(parcel) => assert_eq!(parcel, Parcel::of(1)),
                    unknown => assert_eq!(failure(unknown), form.in_doubt()),
                }
                assert!(probe.runs() <= 1, "the call was made {} times", probe.runs());
            };
            let runs = at_every_call(&Fault::CRASHES, async || store.clone(), crashed).await;
            assert!(runs >= 2 * 4, "a start, a marker, a result and an end: {runs} runs");
        }
    }

    /// What cannot be stored is refused with its place; the call has happened, so its outcome is unknown from then on.
    async fn a_result_that_cannot_be_stored_is_refused(store: TestStore) {
        for form in ALL {
            let probe = Probe::default();
            let runtime = start(store.another().await, &probe).await;
            let found = failure(guarded::invoke(&runtime, form.id(), (form, vec![Answer::NaN])).await);
            let place = match form {
                Form::MostField => "`shipping.done.weight` is NaN",
                Form::LeastField => "`label.done.weight` is NaN",
                _ => "`weight` is NaN",
            };
            assert!(found.to_string().contains(place), "{found}");
            let next = guarded::reinvoke(&runtime, form.id()).await;
            if MOST.contains(&form) {
                assert_eq!((failure(next), probe.runs()), (form.in_doubt(), 1));
            } else {
                assert_eq!(next.expect("it is made again"), Parcel::of(2));
            }
        }
    }
}

/// A crash at each of the saves, and after the last one, with nothing but the function itself.
#[tokio::test]
async fn a_crash_at_any_point_is_a_unit_test() {
    for form in MOST {
        let mut seen = Vec::new();
        for n in 1..=3 {
            let probe = Probe::default();
            let mut order = Scrapbook::<Order>::default().failing_at_save(n);
            let context = Context::test().failing_at_save(n);
            let first = guarded((form, Vec::new()), &mut order, &context, Dep::new(probe.clone())).await;
            let (mut order, context) = (order.after_crash(), context.next_run());
            let second = guarded((form, Vec::new()), &mut order, &context, Dep::new(probe.clone())).await;
            if let Err(error) = &second {
                assert_eq!(error.to_string(), form.in_doubt().message);
            }
            seen.push((first.is_ok(), second.is_ok(), probe.runs()));
        }
        let expected = [(false, true, 1), (false, false, 1), (true, true, 1)];
        assert_eq!(seen, expected, "before the marker, before the result, and after it");
    }
}
