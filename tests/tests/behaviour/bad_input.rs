//! What cannot be stored is refused with a typed error before the store is touched, and nothing is lost.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use resilient::Failure;
use resilient::prelude::*;
use resilient_tests::faults::Call;
use resilient_tests::{FaultyStore, TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    PATIENCE, Probe, builder, double, failure, onlooker, quick, refusal, replica, secs, stored, two_replicas,
};

/// The calls that a caller makes; heartbeats and watchdogs make others.
const CALLS: [Call; 3] = [Call::Write, Call::Get, Call::List];

/// Says what it got.
#[resilient_fn(type_id = "Echo", register = false)]
async fn echo(text: String) -> String {
    text
}

/// Whatever JSON can hold and cannot hold.
#[allow(clippy::option_option, reason = "it is one of the types that cannot be stored")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Odd {
    Float(f64),
    Text(String),
    Large(i128),
    Largest(u64),
    Nested(Box<Self>),
    List(Vec<Self>),
    Keys(BTreeMap<(u8, u8), u8>),
    Maybe(Option<Option<u8>>),
}

#[resilient_fn(type_id = "Odd", register = false)]
async fn odd(odd: Odd) -> Odd {
    odd
}

fn nested(levels: usize) -> Odd {
    (0..levels).fold(Odd::Float(0.5), |inner, _| Odd::Nested(Box::new(inner)))
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Pages {
    text: String,
}

/// Sleeps under a name that its journal keeps.
#[resilient_fn(type_id = "Doze", register = false)]
async fn doze(name: String, context: &Context) -> resilient::Result<()> {
    Ok(context.sleep(name, Duration::from_hours(1)).await?)
}

/// Fills its scrapbook, and saves it or not, and returns as much.
#[resilient_fn(type_id = "Fill", register = false)]
async fn fill((bytes, saves): (usize, bool), pages: &mut Scrapbook<Pages>) -> resilient::Result<String> {
    pages.text = "x".repeat(bytes);
    if !saves {
        return Ok(String::new());
    }
    let stored = pages.save().await;
    let result = std::mem::take(&mut pages.text);
    stored?;
    Ok(result)
}

/// A runtime on a store that counts the calls of callers.
async fn counting(store: TestStore, probe: &Probe) -> (Runtime, FaultyStore) {
    let store = FaultyStore::counting(store).counting_only(&CALLS);
    let runtime = builder(store.clone(), probe)
        .settings(quick().sweep(secs(3600)))
        .register::<echo>()
        .register::<odd>()
        .take_no_work();
    (runtime.start().await.expect("a runtime starts"), store)
}

on_every_store! {
    /// In each call that takes an id.
    async fn an_id_that_cannot_be_stored_is_refused(store: TestStore) {
        let (runtime, store) = counting(store, &Probe::default()).await;
        let before = store.count();
        let long = "\u{1f363}".repeat(51);
        let ids = [
            ("", "the instance id is empty; give at least one byte"),
            (&long, "the instance id has 204 bytes; at most 200 are kept"),
            ("a\0b", "the instance id holds a NUL character at byte 1; remove it"),
        ];
        for (id, text) in ids {
            assert_eq!(refusal(double::invoke(&runtime, id, 1).await), text);
            assert_eq!(refusal(double::schedule(&runtime, id, 1).await), text);
            assert_eq!(refusal(double::schedule_after(&runtime, id, 1, secs(1)).await), text);
            assert_eq!(refusal(double::schedule_at(&runtime, id, 1, SystemTime::now()).await), text);
            assert_eq!(refusal(double::reinvoke(&runtime, id).await), text);
            assert_eq!(refusal(double::completion(&runtime, id).await), text);
            assert_eq!(refusal(double::control_panel(&runtime, id).await), text);
            assert_eq!(refusal(runtime.raw_control_panel("Double", id).await), text);
            assert_eq!(refusal(runtime.raw_control_panel(id, "1").await), text.replace("instance", "type"));
        }
        assert_eq!(store.count(), before, "the store was not asked");
    }

    /// Ids compare by their bytes: no case, no spaces, no accents and no emoji are folded.
    async fn ids_that_look_alike_are_different(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let emoji = "\u{1f363}".repeat(50);
        let ids = [
            "Order-1", "order-1", "Order-1 ", " Order-1", "Order-1\n", "Order-1\t", "\n", " ", "  ", "caf\u{e9}",
            "cafe\u{301}", "cafe", "\u{1f363}", "\u{1f37a}", "\u{202e}1", "1", "1\u{200b}", "'; drop table x; --",
            "\"", "\\", "%", "_", "a/b", "{}", "\u{10ffff}", "ß", "ss", "\u{130}", "i", "I", &emoji,
        ];
        for (number, id) in (0_u64..).zip(ids) {
            assert_eq!(double::invoke(&here, id, number).await.expect("it succeeds"), number * 2, "{id:?}");
        }
        for (number, id) in (0_u64..).zip(ids) {
            let found = double::invoke(&there, id, 1_000).await.expect("it is stored");
            assert_eq!(found, number * 2, "{id:?} is not another one");
            assert_eq!(stored(&store, "Double", id).await.id.instance_id.as_str(), id);
        }
        assert_eq!(probe.runs(), ids.len());
    }

    /// The error names the field; what can be read back is accepted, to the last bit.
    async fn a_parameter_that_cannot_be_read_back_is_refused(store: TestStore) {
        let (runtime, store) = counting(store, &Probe::default()).await;
        let before = store.count();
        let refused = [
            (Odd::Float(f64::NAN), "`[\"Float\"]` is NaN, which JSON cannot hold"),
            (Odd::List(vec![Odd::Float(1.0), Odd::Float(f64::INFINITY)]), "is inf, which JSON cannot hold"),
            (Odd::Text("a\0b".to_owned()), "holds a NUL character at byte 1; remove it"),
            (Odd::Large(i128::MAX), "170141183460469231731687303715884105727"),
            (nested(101), "levels"),
            (nested(500), "levels"),
            (Odd::Keys(BTreeMap::from([((1, 2), 3)])), "as a map key"),
            (Odd::Maybe(Some(None)), "would be read back as `None`"),
        ];
        for (param, problem) in refused {
            for answer in [odd::invoke(&runtime, "1", param.clone()).await.map(drop), odd::schedule(&runtime, "1", param.clone()).await] {
                let Err(InvokeError::Encode { field: "parameter", source }) = answer else { panic!("{answer:?}") };
                let problem = problem.trim_start_matches("`[\"Float\"]` ");
                assert!(source.to_string().contains(problem), "`{source}` does not say `{problem}`");
            }
        }
        assert_eq!(store.count(), before, "the store was not asked");
        let accepted = [
            Odd::Float(0.1 + 0.2), Odd::Float(-0.0), Odd::Float(f64::MIN_POSITIVE), Odd::Float(f64::MAX),
            Odd::Largest(u64::MAX), Odd::Large(i64::MIN.into()), Odd::Maybe(None), nested(99),
            Odd::Text("\u{1}\u{7f}\u{2028}\u{fffd}\u{10ffff}\"\\/\u{301}".to_owned()),
        ];
        for (number, param) in accepted.into_iter().enumerate() {
            let answer = odd::invoke(&runtime, format!("n{number}"), param.clone()).await.expect("it succeeds");
            assert_eq!(answer, param);
            let again = odd::invoke(&runtime, format!("n{number}"), Odd::Maybe(None)).await.expect("it is stored");
            assert_eq!(again, param, "from the store");
        }
    }

    /// To the byte.
    async fn a_parameter_that_is_too_large_is_refused(store: TestStore) {
        let (runtime, store) = counting(store, &Probe::default()).await;
        let before = store.count();
        let limit = 1024 * 1024;
        let long = "x".repeat(limit - 1);
        let text = "the parameter has 1048577 bytes; at most 1048576 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(echo::invoke(&runtime, "1", long.clone()).await), text);
        assert_eq!(refusal(echo::schedule(&runtime, "1", long.clone()).await), text);
        assert_eq!(store.count(), before, "the store was not asked");
        let longest = &long[1..];
        assert!(echo::invoke(&runtime, "1", longest.to_owned()).await.expect("it succeeds") == longest, "the longest");
    }

    /// A run that cannot store what it has done fails, and says why; its last save stays.
    async fn a_scrapbook_or_a_result_that_is_too_large_fails_the_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).settings(quick().max_payload(1_000)).register::<fill>();
        let runtime = runtime.start().await.expect("a runtime starts");
        assert_eq!(fill::invoke(&runtime, "fits", (989, false)).await.expect("it succeeds"), "");
        assert_eq!(fill::invoke(&runtime, "saves", (989, true)).await.expect("it succeeds").len(), 989);
        let found = failure(fill::invoke(&runtime, "save", (990, true)).await);
        let text = "the scrapbook has 1001 bytes; at most 1000 are stored, keep large data elsewhere and store its key";
        assert_eq!(found.message, text);
        let found = failure(fill::invoke(&runtime, "outcome", (990, false)).await);
        let text = "the scrapbook has 1001 bytes; at most 1000 are kept, see `Settings::max_payload`";
        assert_eq!(found, Failure::new("outcome that cannot be stored", text));
        assert_eq!(stored(&store, "Fill", "outcome").await.scrapbook, None);
        let larger = builder(store.another().await, &probe).settings(quick().max_payload(2_000)).register::<fill>();
        let larger = larger.start().await.expect("a runtime starts");
        assert_eq!(fill::reinvoke(&larger, "outcome").await.expect("a larger limit repairs it"), "");
    }

    /// The result alone.
    async fn a_result_that_is_too_large_fails_the_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).settings(quick().max_payload(1_000)).register::<grow>();
        let runtime = runtime.start().await.expect("a runtime starts");
        assert_eq!(grow::invoke(&runtime, "1", 998).await.expect("it succeeds").len(), 998);
        let found = failure(grow::invoke(&runtime, "2", 999).await);
        let text = "the result has 1001 bytes; at most 1000 are kept, see `Settings::max_payload`";
        assert_eq!(found, Failure::new("outcome that cannot be stored", text));
    }

    /// Nothing of it is stored: not what the run has noted, and not that it waits.
    async fn a_journal_that_is_too_large_fails_the_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).settings(quick().max_payload(200)).register::<doze>();
        let runtime = runtime.start().await.expect("a runtime starts");
        let name = |bytes| "x".repeat(bytes);
        doze::schedule(&runtime, "fits", name(10)).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Doze", "fits").await.status == Status::Suspended).await;
        let journal = stored(&store, "Doze", "fits").await.journal.expect("it has noted its sleep");
        let most = 200 - (journal.len() - 10);
        doze::schedule(&runtime, "most", name(most)).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Doze", "most").await.status == Status::Suspended).await;
        let found = failure(doze::invoke(&runtime, "more", name(most + 1)).await);
        let text = "the journal has 201 bytes; at most 200 are kept, see `Settings::max_payload`";
        assert_eq!(found, Failure::new("outcome that cannot be stored", text));
        assert_eq!(stored(&store, "Doze", "more").await.journal, None);
    }

    /// Nothing is stored for it.
    async fn a_time_that_no_calendar_holds_is_refused(store: TestStore) {
        let (runtime, store) = counting(store, &Probe::default()).await;
        let before = store.count();
        let too_late = SystemTime::UNIX_EPOCH + secs(253_402_300_800);
        let text = "the time is after the year 9999; give an earlier one";
        assert_eq!(refusal(double::schedule_at(&runtime, "1", 1, too_late).await), text);
        let text = "the duration of 18446744073709551615 seconds is longer than 1,000 years; give a shorter one";
        assert_eq!(refusal(double::schedule_after(&runtime, "1", 1, Duration::MAX).await), text);
        assert_eq!(store.count(), before, "the store was not asked");
    }

    /// A runtime for tools can invoke what it can run, and takes nothing from the store.
    async fn a_tool_takes_no_work(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        double::schedule(&tool, "waits", 1).await.expect("it is stored");
        assert_eq!(double::invoke(&tool, "runs", 2).await.expect("it succeeds"), 4);
        let row = stored(&store, "Double", "waits").await;
        assert_eq!((row.status, row.attempts, probe.runs()), (Status::Postponed, 0, 1));
        let worker = replica(store.clone(), &probe).await;
        assert_eq!(double::completion(&worker, "waits").await.expect("it succeeds"), 2);
    }
}

/// Returns so many bytes.
#[resilient_fn(type_id = "Grow", register = false)]
async fn grow(bytes: usize) -> String {
    "x".repeat(bytes)
}
