//! Takeover: instances without a live owner become due.

use tokio::time::{Instant, sleep};

use super::given::{self, HOUR, NOW, SHORT, TYPE, finish, id, save, text};
use super::subject::Subject;
use super::wait::eventually;
use crate::clock::Due;
use crate::id::{FunctionId, ReplicaId};
use crate::record::{Replica, ReplicaType, StoredFunction};
use crate::status::Status;
use crate::store::{Create, Ending, Start, Written};

async fn release(store: &Subject) -> u64 {
    store.release_dead().await.expect("the store is there")
}

/// "`Postponed`, due at once, with its epoch and its crashes one higher."
fn released(row: &mut StoredFunction) {
    row.status = Status::Postponed;
    row.owner = None;
    row.due_at = Some(NOW);
    row.epoch = row.epoch.next();
    row.crashes += 1;
}

/// "Makes instances without a live owner due": the owner was never known.
pub async fn work_of_an_unknown_replica_is_released(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
}

/// "What it still owns has no live owner from now on": nobody waits for the lease of a replica that left.
pub async fn work_of_a_replica_that_left_is_released(store: &Subject) {
    let run = store.restarted("a").await;
    store.leave(run.owner.expect("it runs")).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
}

/// "Its last heartbeat is at most that type's lease ago": not any more.
pub async fn work_of_a_silent_replica_is_released(store: &Subject) {
    let lapsed = store.lapsed().await;
    let run = store.running("a", lapsed).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
}

/// A live owner keeps its work.
pub async fn work_of_a_live_replica_is_kept(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    let restarted = store.restarted("b").await;
    assert_eq!(release(store).await, 0);
    store.unchanged(&run).await;
    store.unchanged(&restarted).await;
}

/// "At most that type's lease ago": a silent owner keeps its work as long as it said, and not shorter.
pub async fn work_of_a_silent_replica_is_kept_until_its_lease_has_ended(store: &Subject) {
    let lease = SHORT * 2;
    let begun = Instant::now();
    let silent = store.join(&given::replica(lease, &[TYPE])).await;
    store.running("a", silent).await;
    eventually("the end of a lease", async || (release(store).await == 1).then_some(())).await;
    assert!(begun.elapsed() >= lease, "the lease ended after {:?}", begun.elapsed());
}

/// Signs of life keep work beyond the lease.
pub async fn work_of_a_beating_replica_is_kept_beyond_its_lease(store: &Subject) {
    let lease = SHORT * 2;
    // A machine that stalls for longer than the lease is no broken promise: such a try says nothing.
    eventually("a try without a stall", async || {
        let replica = given::replica(lease, &[TYPE]);
        let mut last = Instant::now();
        store.join(&replica).await;
        let run = store.running(&replica.id.to_string(), replica.id).await;
        for _ in 0..8 {
            sleep(lease / 5).await;
            let sent = Instant::now();
            store.beat(replica.id).await;
            let count = release(store).await;
            if last.elapsed() >= lease {
                return None;
            }
            assert_eq!(count, 0, "the replica was never silent for its lease");
            last = sent;
        }
        store.unchanged(&run).await;
        Some(())
    })
    .await;
}

/// "At most that type's lease ago": the lease of the type counts, also while the replica lives.
pub async fn the_lease_of_the_type_decides(store: &Subject) {
    let mut replica = given::replica(HOUR, &["Invoice", TYPE]);
    for of in replica.types.iter_mut().filter(|of| of.type_id.as_str() == TYPE) {
        of.lease = SHORT;
    }
    let owner = store.join(&replica).await;
    let order = store.running("a", owner).await;
    let invoice = FunctionId::new("Invoice", "a");
    let create = Create { id: invoice.clone(), ..given::create("", Start::Running(owner)) };
    assert_eq!(store.create(create).await, Written::Done);
    let kept = store.row(&invoice).await;
    eventually("the end of the type's lease", async || (release(store).await == 1).then_some(())).await;
    store.expect(&order, released).await;
    store.unchanged(&kept).await;
    assert!(store.beat(owner).await, "the replica itself is alive");
}

/// "Names the instance's type": a live replica that cannot run it is no live owner.
pub async fn work_of_a_type_that_the_owner_does_not_run_is_released(store: &Subject) {
    let owner = store.join(&given::replica(HOUR, &["Invoice"])).await;
    let run = store.running("a", owner).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
    assert!(store.is_alive(owner).await);
}

/// "Names the instance's type", by its bytes.
pub async fn a_type_is_told_from_its_look_alikes_in_a_release(store: &Subject) {
    let owner = store.join(&given::replica(HOUR, &["order", "Order ", "Örder", "ORDER", "Orde", "%"])).await;
    let run = store.running("a", owner).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
}

/// "And version": a live replica that runs another version is no live owner.
pub async fn work_of_a_version_that_the_owner_does_not_run_is_released(store: &Subject) {
    let owner = store.live().await;
    let kept = store.running("1", owner).await;
    let create = Create { version: 2, ..given::create("2", Start::Running(owner)) };
    assert_eq!(store.create(create).await, Written::Done);
    let other = store.row(&id("2")).await;
    assert_eq!(release(store).await, 1);
    store.expect(&other, released).await;
    store.unchanged(&kept).await;
}

/// "Names the instance's type and version": of several versions, each with its own lease, the right one.
pub async fn a_replica_with_two_versions_keeps_the_work_of_both(store: &Subject) {
    let of = |version| ReplicaType { type_id: TYPE.into(), version, lease: HOUR, reads: None };
    let replica = Replica { types: vec![of(1), of(2)], ..given::replica(HOUR, &[]) };
    let owner = store.join(&replica).await;
    for version in [1, 2] {
        let create = Create { version, ..given::create(&version.to_string(), Start::Running(owner)) };
        assert_eq!(store.create(create).await, Written::Done);
    }
    assert_eq!(release(store).await, 0);
}

/// What a replica says when it joins again counts: work it does not name any more is released.
pub async fn joining_again_without_a_type_gives_its_work_up(store: &Subject) {
    let owner = store.live().await;
    let run = store.running("a", owner).await;
    store.join(&Replica { id: owner, ..given::replica(HOUR, &["Invoice"]) }).await;
    assert_eq!(release(store).await, 1);
    store.expect(&run, released).await;
}

/// "Answers how many instances were released": each once.
pub async fn a_release_counts_what_it_released(store: &Subject) {
    let live = store.live().await;
    let left = store.live().await;
    for number in 0..7 {
        store.running(&format!("lost {number}"), ReplicaId::random()).await;
        store.running(&format!("left {number}"), left).await;
        store.running(&format!("live {number}"), live).await;
    }
    store.leave(left).await;
    assert_eq!(release(store).await, 14);
    assert_eq!(release(store).await, 0);
}

/// "The number of statements does not depend on the number of instances", nor does the result.
pub async fn hundreds_are_released_at_once(store: &Subject) {
    let owner = store.live().await;
    for number in 0..300 {
        store.running(&number.to_string(), owner).await;
    }
    store.leave(owner).await;
    assert_eq!(release(store).await, 300);
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.len(), 300);
}

/// Only what is `Executing` has an owner that can be dead.
pub async fn only_running_work_is_released(store: &Subject) {
    let mut rows = vec![store.waiting("scheduled", Due::After(HOUR)).await];
    for status in [Status::Postponed, Status::Suspended, Status::Succeeded, Status::Failed] {
        rows.push(store.in_status(&status.to_string(), status).await);
    }
    for live in store.alive().await {
        store.leave(live.replica.id).await;
    }
    assert_eq!(release(store).await, 0);
    for row in &rows {
        store.unchanged(row).await;
    }
}

/// "How many owners were lost one after the other since the last progress."
pub async fn crashes_add_up_until_there_is_progress(store: &Subject) {
    // It is alive, so it can claim, and names no type, so it is nobody's live owner.
    let careless = store.join(&given::replica(HOUR, &[])).await;
    let mut run = store.running("a", careless).await;
    for crashes in 1..=3 {
        assert_eq!(release(store).await, 1);
        run = store.claim_all(careless).await.pop().expect("it is due");
        assert_eq!((run.crashes, run.attempts), (crashes, crashes + 1));
    }
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    assert_eq!(release(store).await, 1);
    assert_eq!(store.row(&id("a")).await.crashes, 1);
}

/// Taken-over work goes on from its latest progress.
pub async fn released_work_is_claimed_with_its_latest_progress(store: &Subject) {
    let lost = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.save(save(&lost, text(2, "half-way"))).await, Written::Done);
    assert_eq!(release(store).await, 1);
    let live = store.live().await;
    let run = store.claim_all(live).await.pop().expect("it is due");
    assert_eq!((run.scrapbook.clone(), run.attempts), (Some(text(2, "half-way")), 2));
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
}

/// "Forgets replicas whose lease has ended", and no others.
pub async fn a_release_keeps_the_living(store: &Subject) {
    let (live, lapsed) = (store.live().await, store.lapsed().await);
    let before = store.alive().await;
    assert_eq!(release(store).await, 0);
    assert_eq!(store.alive().await, before);
    assert!(store.beat(live).await);
    assert!(!store.beat(lapsed).await);
}

/// On a store without work there is nothing to release.
pub async fn nothing_is_released_where_nothing_runs(store: &Subject) {
    assert_eq!(release(store).await, 0);
}
