//! Rolling deployments with real processes of two builds, killed on the way, on every store that processes can share.
//!
//! The database keeps an audit of every update. It proves that no process of the old build ever had an instance in its
//! hands that the new build had written.

mod audit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Filter, Registration, Store, StoredFunction};
use resilient_tests::chores::Log;
use resilient_tests::deployments::{Stage, new, old};
use resilient_tests::process::Process;
use resilient_tests::{TestStore, eventually, on_every_store};
use uuid::Uuid;

use self::audit::{Audit, Update, Versions};

/// Whatever is waited for comes well before, unless it never does.
const SOON: Duration = Duration::from_secs(40);

/// How many instances of each type each build begins.
const EACH: u32 = 3;

const OLD: &str = env!("CARGO_BIN_EXE_old_build");
const NEW: &str = env!("CARGO_BIN_EXE_new_build");

/// A store, what its processes note, what its database sees, and a client of each build that takes no work.
struct Scene {
    store: TestStore,
    log: Log,
    audit: Audit,
    old: Runtime,
    new: Runtime,
}

impl Scene {
    async fn new(store: TestStore) -> Self {
        let log = Log::new(std::env::temp_dir().join(format!("resilient-deployments-{}", Uuid::new_v4())));
        let audit = Audit::begin(&store).await;
        let old = old::builder(store.another().await, log.clone()).take_no_work().start();
        let new = new::builder(store.another().await, log.clone()).take_no_work().start();
        let (old, new) = (old.await.expect("a client starts"), new.await.expect("a client starts"));
        Self { store, log, audit, old, new }
    }

    fn start(&self, program: &str) -> Process {
        Process::start(program, &self.store, &self.log)
    }

    /// What an application of the old build begins.
    async fn begin_old(&self, name: &str, count: u32) {
        for number in 0..count {
            let (id, total) = (format!("{name}-{number}"), number + 10);
            old::param::schedule(&self.old, id.as_str(), total).await.expect("it is stored");
            old::book::schedule(&self.old, id.as_str(), total).await.expect("it is stored");
            old::added::schedule(&self.old, id.as_str(), total).await.expect("it is stored");
            old::dropped::schedule(&self.old, id.as_str(), total).await.expect("it is stored");
            old::flow::schedule(&self.old, id.as_str(), total).await.expect("it is stored");
        }
    }

    /// What an application of the new build begins.
    async fn begin_new(&self, name: &str, count: u32) {
        for number in 0..count {
            let (id, total) = (format!("{name}-{number}"), number + 20);
            let order = new::Order { total: total.into(), currency: "SEK".to_owned() };
            new::param::schedule(&self.new, id.as_str(), order).await.expect("it is stored");
            new::book::schedule(&self.new, id.as_str(), total).await.expect("it is stored");
            new::added::schedule(&self.new, id.as_str(), total).await.expect("it is stored");
            new::dropped::schedule(&self.new, id.as_str(), total).await.expect("it is stored");
            new::flow::schedule(&self.new, id.as_str(), total.into()).await.expect("it is stored");
        }
    }

    async fn rows(&self, filter: Filter) -> BTreeMap<String, StoredFunction> {
        let rows = self.store.list(&Filter { limit: 1_000, ..filter }).await.expect("the store works");
        rows.into_iter().map(|row| (name_of(&row), row)).collect()
    }

    /// What bodies of this build have begun to run, in one process or in all.
    fn run_by(&self, build: &str, process: Option<&Process>) -> BTreeSet<String> {
        self.log.counts(build, process.map(Process::id)).into_keys().collect()
    }

    /// Waits until a process runs all of these.
    async fn until_run(&self, build: &str, process: &Process, names: &BTreeSet<String>) {
        eventually(SOON, async || self.run_by(build, Some(process)).is_superset(names)).await;
    }

    /// Waits until everything has succeeded; answers the results.
    async fn until_all_succeeded(&self) -> BTreeMap<String, String> {
        let rows = eventually(SOON, async || {
            let rows = self.rows(Filter::default()).await;
            let succeeded = rows.values().all(|row| row.status == Status::Succeeded);
            succeeded.then_some(rows)
        });
        let result = |row: StoredFunction| {
            serde_json::from_str(&row.result.expect("a result").body).expect("all results are text")
        };
        rows.await.into_iter().map(|(name, row)| (name, result(row))).collect()
    }

    /// Looks whether no build ever had anything in its hands that it does not read, and nothing went back to an earlier
    /// version; answers how many updates each build has made.
    async fn expect_all_respected(&self) -> BTreeMap<String, usize> {
        let (old, new) = (old::registrations(), new::registrations());
        let mut counts = BTreeMap::new();
        for update in self.audit.updates().await {
            let Update { before, after, build, .. } = &update;
            let goes_on = before.function == after.function
                && before.param <= after.param
                && before.scrapbook <= after.scrapbook;
            assert!(goes_on, "it went back: {update:?}");
            let Some(build) = build else { continue };
            let registrations = if build == "old" { &old } else { &new };
            let reads = |versions| reads(registrations, &update.id.0, versions);
            assert!(reads(*before) && reads(*after), "{build} code does not read it: {update:?}");
            *counts.entry(build.clone()).or_default() += 1;
        }
        counts
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        Stage::remove(&self.log);
        // What cannot be removed is left among the temporary files, which is no reason to fail a test.
        let _ = std::fs::remove_file(self.log.path());
    }
}

fn name_of(row: &StoredFunction) -> String {
    format!("{}/{}", row.id.type_id, row.id.instance_id)
}

/// Whether a build that registers these runs an instance of these versions.
fn reads(registrations: &[Registration], type_id: &str, versions: Versions) -> bool {
    let function = registrations
        .iter()
        .find(|registration| (registration.type_id, registration.version) == (type_id, versions.function));
    function.is_some_and(|function| {
        let scrapbook = function.scrapbook.map_or(function.dropped_scrapbook, |range| range.newest);
        versions.param <= function.param.newest && versions.scrapbook <= scrapbook
    })
}

fn is_read_by(registrations: &[Registration], row: &StoredFunction) -> bool {
    let scrapbook = row.scrapbook.as_ref().map_or(0, |scrapbook| scrapbook.version);
    let versions = Versions { function: row.version, param: row.param.version, scrapbook };
    reads(registrations, row.id.type_id.as_str(), versions)
}

fn names(rows: &BTreeMap<String, StoredFunction>) -> BTreeSet<String> {
    rows.keys().cloned().collect()
}

/// What an instance that only the new build runs says that it waits for.
fn expected_reason(name: &str) -> &'static str {
    match name.split('/').next().unwrap_or_default() {
        "deploy.Param" => "no live replica reads parameter version 2 of this type",
        "deploy.Book" => "no live replica reads scrapbook version 2 of this type",
        "deploy.Added" => "no live replica reads scrapbook version 1 of this type",
        "deploy.Flow" => "no live replica runs version 2 of this type",
        other => panic!("the old build runs all of {other}"),
    }
}

on_every_store! {
    /// Old, old beside new, new alone, rolled back to old, and new again; each step with a kill.
    async fn a_deployment_is_rolled_out_and_back_and_out_again(store: TestStore) {
        if store.url().is_none() {
            return;
        }
        let scene = Scene::new(store).await;

        let mut first = scene.start(OLD);
        scene.begin_old("old", EACH).await;
        let begun = names(&scene.rows(Filter::default()).await);
        scene.until_run("old", &first, &begun).await;

        let mut second = scene.start(NEW);
        scene.begin_new("new", EACH).await;
        let all = names(&scene.rows(Filter::default()).await);
        eventually(SOON, async || {
            scene.run_by("old", None).union(&scene.run_by("new", None)).cloned().collect::<BTreeSet<_>>() == all
        })
        .await;
        first.kill();
        scene.until_run("new", &second, &all).await;

        let third = scene.start(OLD);
        second.kill();
        let old_code = old::registrations();
        // What the second process still owns looks as if it ran.
        let rows = eventually(SOON, async || {
            // In this order: what is stuck stays so, and a row that was read before may have been on its way there.
            let stuck = scene.rows(Filter { stuck: true, ..Filter::default() }).await;
            let rows = scene.rows(Filter::default()).await;
            (stuck.len() == rows.values().filter(|row| !is_read_by(&old_code, row)).count()).then_some(rows)
        })
        .await;
        let (for_old, for_new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            rows.into_iter().partition(|(_, row)| is_read_by(&old_code, row));
        assert_eq!((for_old.len(), for_new.len()), (4 * EACH as usize, 6 * EACH as usize));
        scene.until_run("old", &third, &names(&for_old)).await;
        scene.begin_old("quick", 1).await;
        assert_eq!(old::param::completion(&scene.old, "quick-0").await.expect("it succeeds"), "old 10");
        assert_eq!(old::book::completion(&scene.old, "quick-0").await.expect("it succeeds"), "old 10 after 1 steps");
        assert_eq!(scene.run_by("old", Some(&third)).intersection(&names(&for_new)).count(), 0);
        for (name, row) in scene.rows(Filter { stuck: true, ..Filter::default() }).await {
            assert_eq!(Some(&row), for_new.get(&name), "old code has left it alone");
            assert_eq!(scene.old.reason(&row).await.expect("the store works"), expected_reason(&name));
        }

        let fourth = scene.start(NEW);
        scene.until_run("new", &fourth, &names(&for_new)).await;
        Stage::open(&scene.log);
        let results = scene.until_all_succeeded().await;
        let result = |name: &str| results.get(name).map(String::as_str);
        assert_eq!(result("deploy.Param/old-0"), Some("old 10"), "the third process had it last");
        assert_eq!(result("deploy.Param/new-0"), Some("new 20 SEK"));
        assert_eq!(result("deploy.Book/old-0"), Some(r#"new 10 after ["old", "new", "new"]"#));
        assert_eq!(result("deploy.Added/old-0"), Some("new 10 in 2 runs"));
        assert_eq!(result("deploy.Dropped/old-0"), Some("old 10 after 2 steps"), "its scrapbook was kept");
        assert_eq!(result("deploy.Flow/old-0"), Some("version 1 of 10"));
        assert_eq!(result("deploy.Flow/new-0"), Some("version 2 of 20"));
        third.end();
        fourth.end();
        let updates = scene.expect_all_respected().await;
        println!("{:?}: {} instances; updates by build: {updates:?}", scene.store.kind(), results.len());
        assert!(updates.contains_key("old") && updates.contains_key("new"), "both have worked: {updates:?}");
    }

    /// Whoever does not read it leaves it alone, and says so; and new code need not be told that it is there.
    async fn a_message_of_new_code_waits_for_new_code(store: TestStore) {
        if store.url().is_none() {
            return;
        }
        let scene = Scene::new(store).await;
        Stage::open(&scene.log);
        let mut first = scene.start(OLD);
        for number in 1..=4 {
            old::letter::schedule(&scene.old, number.to_string(), number).await.expect("it is stored");
        }
        let suspended = async |attempts: u32| {
            let rows = scene.rows(Filter::default()).await;
            rows.values().filter(|row| row.status == Status::Suspended && row.attempts >= attempts).count()
        };
        eventually(SOON, async || suspended(1).await == 4).await;
        let known = old::Letter { text: "hello".to_owned() };
        old::letter::send(&scene.old, "1", known).await.expect("it is stored");
        assert_eq!(old::letter::completion(&scene.old, "1").await.expect("it succeeds"), "old 1 got hello");
        for id in ["2", "3"] {
            let newer = new::Letter { text: "hello".to_owned(), urgent: true };
            new::letter::send(&scene.new, id, newer).await.expect("it is stored");
        }
        eventually(SOON, async || suspended(2).await == 2).await;
        for id in ["2", "3"] {
            let raw = scene.old.raw_control_panel("deploy.Letter", id).await.expect("it is there");
            let reason = raw.reason().await.expect("the store works");
            let text = "message `Letter` is stored in version 2, which this replica does not read; due at ";
            assert!(reason.starts_with(text), "{reason}");
            assert_eq!(raw.stored().journal, None, "it is no dead letter");
        }
        first.kill();
        let second = scene.start(NEW);
        for id in ["2", "3"] {
            let got = format!("new {id} got hello (urgent: true)");
            assert_eq!(new::letter::completion(&scene.new, id).await.expect("it succeeds"), got);
        }
        let known = old::Letter { text: "late".to_owned() };
        old::letter::send(&scene.old, "4", known).await.expect("it is stored");
        assert_eq!(new::letter::completion(&scene.new, "4").await.expect("it succeeds"), "new 4 got late (urgent: false)");
        assert_eq!(scene.run_by("old", None), BTreeSet::from(["deploy.Letter/1".to_owned()]));
        second.end();
        scene.expect_all_respected().await;
    }
}
