//! Real processes, killed and stopped by signals, on every store that processes can share.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Filter, Store, StoredFunction};
use resilient_tests::chores::{LEASE, Log, Task, builder, chore};
use resilient_tests::orders::Charge;
use resilient_tests::process::Process;
use resilient_tests::{Kind, TestStore, eventually, on_every_store};
use tokio::time::Instant;
use uuid::Uuid;

/// Whatever is waited for comes well before, unless it never does.
const SOON: Duration = Duration::from_secs(40);
/// How late a takeover may be on a machine that does other things, too.
const SLACK: Duration = Duration::from_secs(8);

/// A store, a log, and a client that does no chores itself.
struct Scene {
    store: TestStore,
    log: Log,
    client: Runtime,
}

impl Scene {
    async fn new(store: TestStore) -> Self {
        let log = Log::new(std::env::temp_dir().join(format!("resilient-chores-{}", Uuid::new_v4())));
        let client = builder(store.another().await, log.clone()).take_no_work().start();
        Self { client: client.await.expect("a client starts"), store, log }
    }

    fn start(&self) -> Process {
        Process::start(env!("CARGO_BIN_EXE_chores"), &self.store, &self.log)
    }

    async fn schedule(&self, count: usize, task: Task) {
        let all = (0..count).map(|number| {
            let client = self.client.clone();
            tokio::spawn(async move { chore::schedule(&client, number.to_string(), task).await })
        });
        for scheduled in all.collect::<Vec<_>>() {
            scheduled.await.expect("no panic").expect("it is stored");
        }
    }

    async fn rows(&self) -> Vec<StoredFunction> {
        let filter = Filter { limit: 5_000, ..Filter::default() };
        self.store.list(&filter).await.expect("the store works")
    }

    /// Waits until everything is done, and looks whether all was done as promised; answers the attempts.
    async fn expect_all_done(&self) -> Vec<u32> {
        let rows = eventually(SOON, async || {
            let rows = self.rows().await;
            let done = rows.iter().filter(|row| row.status == Status::Succeeded).count();
            (done == rows.len()).then_some(rows)
        })
        .await;
        let charges = self.log.counts("charge", None);
        for row in &rows {
            let id = row.id.instance_id.as_str();
            let count = charges.get(id).copied().unwrap_or(0);
            let result = row.result.as_ref().expect("a result");
            match serde_json::from_str(&result.body).expect("a charge") {
                Charge::Done => assert_eq!(count, 1, "{row:?}"),
                Charge::Unknown => {
                    assert!(count <= 1 && row.attempts > 1, "charged {count} times: {row:?}");
                }
                other => panic!("{other:?} is no result: {row:?}"),
            }
        }
        rows.iter().map(|row| row.attempts).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What cannot be removed is left among the temporary files, which is no reason to fail a test.
        let _ = std::fs::remove_file(self.log.path());
    }
}

on_every_store! {
    async fn a_thousand_chores_survive_the_kill_of_their_process(store: TestStore) {
        const MANY: usize = 1_000;
        if store.url().is_none() {
            return;
        }
        let scene = Scene::new(store).await;
        scene.schedule(MANY, Task { step: Duration::from_millis(700), ..Task::default() }).await;
        let mut first = scene.start();
        eventually(SOON, async || scene.log.counts("begin", None).len() == MANY).await;
        // Some are charged, some are about to be.
        eventually(SOON, async || scene.log.counts("charge", None).len() >= MANY / 10).await;
        let second = scene.start();
        first.kill();
        let killed = Instant::now();
        let attempts = scene.expect_all_done().await;
        let taken_over = attempts.iter().filter(|attempts| **attempts > 1).count();
        println!("{:?}: {taken_over} of {MANY} were taken over and done within {:?}", scene.store.kind(), killed.elapsed());
        assert!(taken_over > 0, "the kill came too late");
        assert!(killed.elapsed() < LEASE + SLACK, "it took {:?}", killed.elapsed());
        second.end();
    }

    async fn a_process_that_was_stopped_for_three_leases_writes_nothing_and_comes_back(store: TestStore) {
        if store.url().is_none() {
            return;
        }
        let scene = Scene::new(store).await;
        let first = scene.start();
        scene.schedule(20, Task { step: Duration::from_secs(1), ..Task::default() }).await;
        eventually(SOON, async || scene.log.counts("begin", Some(first.id())).len() == 20).await;
        first.signal("-STOP");
        let stopped = Instant::now();
        let second = scene.start();
        let attempts = scene.expect_all_done().await;
        assert!(attempts.iter().all(|attempts| *attempts == 2), "{attempts:?}");
        let rows = scene.rows().await;
        let rest = (LEASE * 3).saturating_sub(stopped.elapsed());
        tokio::time::sleep(rest).await;
        first.signal("-CONT");
        second.end();
        // It works on, under a new id.
        chore::schedule(&scene.client, "last", Task::default()).await.expect("it is stored");
        assert_eq!(chore::completion(&scene.client, "last").await.expect("it is done"), Charge::Done);
        assert_eq!(scene.log.counts("end", Some(first.id())).keys().collect::<Vec<_>>(), ["last"]);
        let after = scene.rows().await;
        assert_eq!(after.iter().filter(|row| row.id.instance_id.as_str() != "last").cloned().collect::<Vec<_>>(), rows);
        scene.expect_all_done().await;
        first.end();
    }

    async fn a_process_whose_threads_are_all_blocked_keeps_its_work(store: TestStore) {
        if store.kind() != Kind::Sqlite {
            return; // No store makes a difference.
        }
        let scene = Scene::new(store).await;
        let first = scene.start();
        scene.schedule(2, Task { block: LEASE * 3, ..Task::default() }).await;
        eventually(SOON, async || scene.log.counts("begin", Some(first.id())).len() == 2).await;
        let second = scene.start();
        assert_eq!(scene.expect_all_done().await, [1, 1], "nobody took it over");
        assert_eq!(scene.log.counts("end", Some(first.id())).len(), 2);
        first.end();
        second.end();
    }

    async fn a_chore_that_kills_its_process_fails_at_last(store: TestStore) {
        if store.kind() != Kind::Sqlite {
            return; // No store makes a difference.
        }
        let scene = Scene::new(store).await;
        let poison = Task { abort: true, ..Task::default() };
        chore::schedule(&scene.client, "poison", poison).await.expect("it is stored");
        let mut processes = vec![scene.start()];
        let failed = async {
            match chore::completion(&scene.client, "poison").await {
                Err(InvokeError::Failed(failure)) => assert_eq!(failure.type_name, "crash loop"),
                other => panic!("expected a crash loop, got {other:?}"),
            }
        };
        let respawn = async {
            loop {
                let last: &mut Process = processes.last_mut().expect("one was started");
                if last.has_ended() {
                    processes.push(scene.start());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = failed => {}
            () = respawn => {}
        }
        assert_eq!(scene.log.counts("begin", None)["poison"], 2, "once, and once more");
        chore::schedule(&scene.client, "other", Task::default()).await.expect("it is stored");
        assert_eq!(chore::completion(&scene.client, "other").await.expect("it is done"), Charge::Done);
    }
}
