//! What a person says of a call whose outcome is unknown: it is done, it is to be tried once more, it is given up.

use resilient::prelude::*;
use resilient::store::{Edit, Transition, Write, Written};
use resilient::{Failure, Journal, Json, Store};
use resilient_tests::{TestStore, on_every_store};

use crate::common::{Probe, builder, fail_as_told, failure, ms, play, quick, refusal, stored};
use crate::guards::{Answer, Form, MOST, Parcel, guarded, noted, start};

type Panel = ControlPanel<guarded>;

/// An instance whose first call has failed, so that nobody knows whether it has happened.
async fn in_doubt(store: &TestStore, form: Form) -> (Runtime, Probe, Panel) {
    let probe = Probe::default();
    let runtime = start(store.another().await, &probe).await;
    let id = format!("{form:?} {}", uuid::Uuid::new_v4());
    failure(guarded::invoke(&runtime, &id, (form, vec![Answer::Fail])).await);
    let panel = open(&runtime, &id).await;
    (runtime, probe, panel)
}

async fn open(runtime: &Runtime, id: &str) -> Panel {
    guarded::control_panel(runtime, id).await.expect("it is there")
}

/// The three answers.
#[derive(Debug, Clone, Copy)]
enum Say {
    Done,
    TryOnceMore,
    GiveUp,
}

impl Say {
    const ALL: [Self; 3] = [Self::Done, Self::TryOnceMore, Self::GiveUp];

    fn to(self, panel: &mut Panel, form: Form) -> Result<(), InvokeError> {
        match (form, self) {
            (Form::MostField, Self::Done) => panel.resolve(|s| &mut s.shipping)?.done(Parcel::of(77)),
            (Form::MostField, Self::TryOnceMore) => panel.resolve(|s| &mut s.shipping)?.try_once_more(),
            (Form::MostField, Self::GiveUp) => panel.resolve(|s| &mut s.shipping)?.give_up(),
            (_, Self::Done) => panel.resolve_call("ship")?.done(&Parcel::of(77))?,
            (_, Self::TryOnceMore) => panel.resolve_call("ship")?.try_once_more(),
            (_, Self::GiveUp) => panel.resolve_call("ship")?.give_up(),
        }
        Ok(())
    }

    /// What the next run says, and how many calls there were in all.
    fn check(self, form: Form, ended: Result<Parcel, InvokeError>, calls: usize) {
        match self {
            Self::Done => assert_eq!((ended.expect("it has happened"), calls), (Parcel::of(77), 1)),
            Self::TryOnceMore => assert_eq!((ended.expect("it is made again"), calls), (Parcel::of(2), 2)),
            Self::GiveUp => {
                let text = format!("`{}` was given up by a person; its call is not made", form.name());
                assert_eq!((failure(ended), calls), (Failure::new("given up", text), 1));
            }
        }
    }
}

/// What can be stored of a journal that nobody can read.
async fn damage(store: &TestStore, id: &str) {
    let row = stored(store, "Guarded", id).await;
    let journal = Some(r#"{"once":{"ship":"lost"}}"#.to_owned());
    let edit = Edit { journal, ..Edit::of(&row, Transition::Keep) };
    let written = store.write(&[Write::Edit(edit)]).await.expect("the store is there");
    assert_eq!(written, [Written::Done]);
}

on_every_store! {
    /// By field and by name, run here or anywhere.
    async fn each_answer_decides_what_the_next_run_does(store: TestStore) {
        for form in MOST {
            for say in Say::ALL {
                let (runtime, probe, mut panel) = in_doubt(&store, form).await;
                say.to(&mut panel, form).expect("it is unknown");
                say.check(form, panel.reinvoke().await, probe.runs());
                drop(runtime);

                let (runtime, probe, mut panel) = in_doubt(&store, form).await;
                let id = panel.id().instance_id.clone();
                say.to(&mut panel, form).expect("it is unknown");
                panel.schedule_reinvoke().await.expect("nobody else was there");
                say.check(form, guarded::completion(&runtime, &id).await, probe.runs());
            }
        }
    }

    /// A call that is tried once more is tried once: when that fails, too, it is unknown again.
    async fn once_more_is_once(store: TestStore) {
        for form in MOST {
            let (runtime, probe, mut panel) = in_doubt(&store, form).await;
            let id = panel.id().instance_id.clone();
            *panel.param_mut() = (form, vec![Answer::Fail; 2]);
            Say::TryOnceMore.to(&mut panel, form).expect("it is unknown");
            assert!(failure(panel.reinvoke().await).to_string().ends_with("failed: no answer"));
            assert_eq!(failure(guarded::reinvoke(&runtime, &id).await), form.in_doubt());
            assert_eq!(probe.runs(), 2);
            let mut panel = open(&runtime, id.as_str()).await;
            Say::Done.to(&mut panel, form).expect("it is unknown again");
            assert_eq!(panel.reinvoke().await.expect("it has happened"), Parcel::of(77));
        }
    }

    /// With all edits before and after it, in one compare-and-set; nothing is stored before.
    async fn an_answer_is_stored_by_the_next_verb_with_all_edits(store: TestStore) {
        for form in MOST {
            let (_runtime, _, mut panel) = in_doubt(&store, form).await;
            let id = panel.id().instance_id.to_string();
            let before = stored(&store, "Guarded", &id).await;
            panel.scrapbook_mut().runs = 40;
            Say::Done.to(&mut panel, form).expect("it is unknown");
            *panel.param_mut() = (form, vec![Answer::Hang]);
            assert_eq!(stored(&store, "Guarded", &id).await, before);
            panel.save().await.expect("nobody else was there");
            let row = stored(&store, "Guarded", &id).await;
            assert_eq!(row.epoch, before.epoch.next());
            assert_eq!((row.status, row.failure), (Status::Failed, before.failure), "a save is no verdict");
            let (order, journal) = noted(&store, &id).await;
            assert_eq!(order.runs, 40);
            if form == Form::MostField {
                assert_eq!(order.shipping, AtMostOnce::Done(Parcel::of(77)));
            } else {
                let value = Json::of(&Parcel::of(77)).expect("it can be stored");
                assert_eq!(journal.once.get("ship"), Some(&AtMostOnce::Done(value)));
            }
            assert_eq!(panel.scrapbook(), &order);
            assert_eq!(panel.reinvoke().await.expect("it does not hang"), Parcel::of(77));
        }
    }

    /// Somebody else was faster: nothing is stored, and after a reload the answer is asked for again.
    async fn an_answer_from_a_stale_panel_changes_nothing(store: TestStore) {
        for form in MOST {
            for say in Say::ALL {
                let (runtime, _, mut stale) = in_doubt(&store, form).await;
                let id = stale.id().instance_id.to_string();
                say.to(&mut stale, form).expect("it is unknown");
                open(&runtime, &id).await.save().await.expect("it is the first");
                let row = stored(&store, "Guarded", &id).await;
                let text = format!("`Guarded/{id}` has changed since it was read; reload it and decide again");
                assert_eq!(refusal(stale.save().await), text);
                assert_eq!(stored(&store, "Guarded", &id).await, row);
                stale.reload().await.expect("it is there");
                say.to(&mut stale, form).expect("it is still unknown");
                stale.save().await.expect("nobody else was there");
            }
        }
    }

    /// What is not unknown is not resolved, and the refusal says what is known.
    async fn there_is_nothing_to_resolve_in_what_is_known(store: TestStore) {
        let nothing = |name: &str, id: &str, found: &str| {
            format!("there is nothing to resolve in `{name}` of `Guarded/{id}`: {found}")
        };
        for form in MOST {
            let (_runtime, _, mut panel) = in_doubt(&store, form).await;
            let id = panel.id().instance_id.to_string();
            let other = if form == Form::MostField { Form::MostName } else { Form::MostField };
            let refused = refusal(Say::GiveUp.to(&mut panel, other));
            assert_eq!(refused, nothing(other.name(), &id, "no call of it was begun"));
            Say::TryOnceMore.to(&mut panel, form).expect("it is unknown");
            let refused = refusal(Say::Done.to(&mut panel, form));
            assert_eq!(refused, nothing(form.name(), &id, "no call of it was begun"), "an edit counts");
            panel.reload().await.expect("it is there");
            Say::GiveUp.to(&mut panel, form).expect("it is unknown");
            let refused = refusal(Say::Done.to(&mut panel, form));
            let given_up = "it was given up already; for one more call set it back to `AtMostOnce::NotStarted`, \
                            or end the instance with `succeed`";
            assert_eq!(refused, nothing(form.name(), &id, given_up));
            panel.reload().await.expect("it is there");
            Say::Done.to(&mut panel, form).expect("it is unknown");
            let refused = refusal(Say::TryOnceMore.to(&mut panel, form));
            assert_eq!(refused, nothing(form.name(), &id, "its call has happened, and its result is stored"));
        }
    }

    /// A call that is on its way may still end.
    async fn a_call_of_a_running_instance_is_not_resolved(store: TestStore) {
        for form in MOST {
            let probe = Probe::default();
            let runtime = start(store.another().await, &probe).await;
            guarded::schedule(&runtime, form.name(), (form, vec![Answer::Hang])).await.expect("it is stored");
            probe.begun(1).await;
            let mut panel = open(&runtime, form.name()).await;
            assert_eq!(panel.unknown_calls().expect("it can be read"), [""; 0]);
            let text = format!("`Guarded/{}` is executing; wait for it, or postpone or fail it first", form.name());
            for say in Say::ALL {
                assert_eq!(refusal(say.to(&mut panel, form)), text);
            }
        }
    }

    /// In both panels; the list is of what is unknown and of nothing else.
    async fn unknown_calls_are_listed_and_resolved_without_types(store: TestStore) {
        let (runtime, _, panel) = in_doubt(&store, Form::MostName).await;
        assert_eq!(panel.unknown_calls().expect("it can be read"), ["ship"]);
        let id = panel.id().instance_id.clone();
        let mut raw = runtime.raw_control_panel("Guarded", &id).await.expect("it is there");
        assert_eq!(raw.unknown_calls().expect("it can be read"), ["ship"]);
        let refused = refusal(raw.resolve_call("print").map(drop));
        let found = format!("there is nothing to resolve in `print` of `Guarded/{id}`: no call of it was begun");
        assert_eq!(refused, found);
        let parcel = Json::new(r#"{"number":5,"weight":2.5}"#.to_owned()).expect("it is JSON");
        raw.resolve_call("ship").expect("it is unknown").done(&parcel).expect("it can be stored");
        assert_eq!(raw.unknown_calls().expect("it can be read"), [""; 0]);
        raw.schedule_reinvoke().await.expect("nobody else was there");
        let ended = guarded::completion(&runtime, &id).await.expect("it has happened");
        assert_eq!(ended, Parcel { number: 5, weight: 2.5 });
    }

    /// A person's result is checked as a function's is; nothing is resolved by one that is refused.
    async fn a_result_that_cannot_be_stored_resolves_nothing(store: TestStore) {
        let (_runtime, probe, panel) = in_doubt(&store, Form::MostName).await;
        let id = panel.id().instance_id.to_string();
        let small = builder(store.clone(), &probe).settings(quick().max_payload(200)).take_no_work();
        let small = small.register::<guarded>().start().await.expect("it starts");
        let mut panel = open(&small, &id).await;
        let refused = panel.resolve_call("ship").expect("it is unknown").done(&f64::NAN);
        assert_eq!(refusal(refused), "the result of the call cannot be stored");
        let refused = panel.resolve_call("ship").expect("it is still unknown").done(&"x".repeat(200));
        let text = "the result of the call has 202 bytes; at most 200 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(refused), text);
        panel.resolve_call("ship").expect("it is still unknown").done(&"x".repeat(180)).expect("it is small enough");
        let refused = refusal(panel.save().await);
        assert!(refused.starts_with("the journal has 2"), "{refused}");
        assert_eq!(noted(&store, &id).await.1.once.get("ship"), Some(&AtMostOnce::Started));
    }

    /// It opens all the same, and can be mended; what is not mended stays as it is.
    async fn a_journal_that_cannot_be_read_is_mended_by_hand(store: TestStore) {
        let (runtime, _, panel) = in_doubt(&store, Form::MostName).await;
        let id = panel.id().instance_id.clone();
        damage(&store, id.as_str()).await;
        let found = failure(guarded::reinvoke(&runtime, &id).await);
        assert_eq!(found.type_name, "unreadable journal", "{found}");
        let mut panel = open(&runtime, id.as_str()).await;
        assert_eq!(refusal(panel.journal().cloned()), "the stored journal cannot be read");
        assert_eq!(refusal(panel.resolve_call("ship").map(drop)), "the stored journal cannot be read");
        panel.scrapbook_mut().runs = 9;
        panel.save().await.expect("everything else can be edited");
        let mut raw = runtime.raw_control_panel("Guarded", &id).await.expect("it is there");
        assert_eq!(raw.stored().journal.as_deref(), Some(r#"{"once":{"ship":"lost"}}"#));
        let mut journal = Journal::default();
        journal.once.insert("ship".to_owned(), AtMostOnce::Started);
        raw.set_journal(journal);
        raw.resolve_call("ship").expect("it is unknown").try_once_more();
        raw.schedule_reinvoke().await.expect("nobody else was there");
        assert_eq!(guarded::completion(&runtime, &id).await.expect("it is mended"), Parcel::of(2));
    }

    /// When a person lets it run again, tries are counted anew; a save is no decision to run.
    async fn a_panel_gives_the_retry_policy_a_fresh_budget(store: TestStore) {
        let probe = Probe::default();
        let tool = builder(store.clone(), &probe).take_no_work().start().await.expect("it starts");
        fail_as_told(&tool, "1").await;
        let tried = async || {
            let mut raw = tool.raw_control_panel("Play", "1").await.expect("it is there");
            let mut journal = raw.journal().expect("it can be read").clone();
            journal.failed_tries = 3;
            journal.headers.insert("correlation-id".to_owned(), "c-1".to_owned());
            raw.set_journal(journal);
            raw.save().await.expect("nobody else was there");
            assert_eq!(raw.journal().expect("it can be read").failed_tries, 3);
            play::control_panel(&tool, "1").await.expect("it is there")
        };
        let fresh = async || {
            let panel = play::control_panel(&tool, "1").await.expect("it is there");
            let journal = panel.journal().expect("it can be read");
            assert_eq!(journal.headers.get("correlation-id").map(String::as_str), Some("c-1"));
            journal.failed_tries == 0
        };
        tried().await.schedule_reinvoke().await.expect("nobody else was there");
        assert!(fresh().await, "scheduled");
        tried().await.postpone_for(ms(3_600_000)).await.expect("nobody else was there");
        assert!(fresh().await, "postponed");
        tried().await.reinvoke().await.expect("it succeeds");
        assert!(fresh().await, "run here");
        tried().await;
        play::reinvoke(&tool, "1").await.expect("it succeeds");
        assert!(fresh().await, "run here without a panel");
    }
}
