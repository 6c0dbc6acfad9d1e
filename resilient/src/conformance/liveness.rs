//! Replicas: joining, signs of life, leaving, and the end of a lease.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::given::{self, HOUR, SHORT, TYPE};
use super::subject::Subject;
use super::wait::eventually;
use crate::id::ReplicaId;
use crate::record::{LiveReplica, Reads, Replica, ReplicaType};

async fn only(store: &Subject) -> LiveReplica {
    let [live] = <[_; 1]>::try_from(store.alive().await).expect("one replica is alive");
    live
}

/// "Makes a replica known", with all that it said of itself.
pub async fn a_replica_that_joined_is_listed_with_all_it_said(store: &Subject) {
    let types = [("Invoice", 2, 30), ("Order", 1, 5), ("Order", 3, 7)];
    let types = types.map(|(type_id, version, seconds)| ReplicaType {
        type_id: type_id.into(),
        version,
        lease: Duration::from_secs(seconds),
        // A tool runs what it is told to, and takes no work.
        reads: (version < 3).then_some(Reads { param: version, scrapbook: u32::MAX }),
    });
    let replica = Replica {
        lease: Duration::from_secs(30),
        host: "höst-🍣.example".into(),
        pid: u32::MAX,
        app_version: "1.2.3-β+'build'".into(),
        types: types.to_vec(),
        ..given::replica(HOUR, &[])
    };
    store.join(&replica).await;
    assert_eq!(only(store).await.replica, replica);
}

/// A replica may run nothing, and only watch.
pub async fn a_replica_without_types_is_alive(store: &Subject) {
    let replica = Replica { host: String::new(), ..given::replica(HOUR, &[]) };
    store.join(&replica).await;
    assert_eq!(only(store).await.replica, replica);
}

/// A lease is kept to the millisecond, from the shortest to a long one.
pub async fn leases_are_kept_to_the_millisecond(store: &Subject) {
    for millis in [60_001, 86_400_000, 3_155_760_000_000] {
        let replica = given::replica(Duration::from_millis(millis), &[TYPE]);
        store.join(&replica).await;
        assert_eq!(only(store).await.replica, replica);
        store.leave(replica.id).await;
    }
}

/// "When it started", "its last accepted sign of life": on the store's clock.
pub async fn a_replica_is_alive_from_now_on(store: &Subject) {
    let before = store.now().await;
    store.live().await;
    let after = store.now().await;
    let live = only(store).await;
    assert!((before..=after).contains(&live.started_at), "{before:?}, {live:?}, {after:?}");
    assert!((before..=after).contains(&live.heartbeat_at), "{before:?}, {live:?}, {after:?}");
}

/// "The replicas that are alive": all of them, each with its own types.
pub async fn all_live_replicas_are_listed(store: &Subject) {
    let mut replicas = [&["A", "B"][..], &["B"], &[]].map(|types| given::replica(HOUR, types));
    for replica in &replicas {
        store.join(replica).await;
    }
    replicas.sort_by_key(|replica| replica.id);
    let listed: Vec<_> = store.alive().await.into_iter().map(|live| live.replica).collect();
    assert_eq!(listed, replicas);
}

/// A fresh store knows nobody.
pub async fn nobody_is_alive_at_first(store: &Subject) {
    assert_eq!(store.alive().await, []);
}

/// "An id that is known already is replaced", with its types.
pub async fn joining_again_replaces_what_was_said(store: &Subject) {
    let first = given::replica(HOUR, &["A", "B", "C"]);
    store.join(&first).await;
    let before = only(store).await;
    let second = Replica { id: first.id, pid: 1, host: "b".into(), ..given::replica(HOUR * 2, &["B", "D"]) };
    store.join(&second).await;
    let after = only(store).await;
    assert_eq!(after.replica, second);
    assert!(after.started_at >= before.started_at && after.heartbeat_at >= before.heartbeat_at);
}

/// "Renews the lease": the sign of life is dated by the store, and the start stays.
pub async fn a_beat_moves_the_last_sign_of_life(store: &Subject) {
    let replica = store.live().await;
    let before = only(store).await;
    eventually("a later sign of life", async || {
        assert!(store.beat(replica).await, "it is alive");
        (only(store).await.heartbeat_at > before.heartbeat_at).then_some(())
    })
    .await;
    let after = only(store).await;
    let heartbeat_at = after.heartbeat_at;
    assert_eq!(after, LiveReplica { heartbeat_at, ..before });
}

/// "Or the replica is not known": a beat makes nobody known.
pub async fn a_beat_of_a_stranger_is_refused(store: &Subject) {
    assert!(!store.beat(ReplicaId::random()).await);
    assert_eq!(store.alive().await, []);
}

/// "Unless it has ended already": whoever was silent for too long stays dead.
pub async fn a_beat_after_the_lease_has_ended_is_refused(store: &Subject) {
    let lapsed = store.lapsed().await;
    assert!(!store.beat(lapsed).await, "its lease has ended");
    assert!(!store.beat(lapsed).await, "a refused beat renews nothing");
    assert!(!store.is_alive(lapsed).await);
}

/// "Unless it has ended already", also when nobody has forgotten the replica in between, and when somebody has.
pub async fn a_beat_is_refused_after_the_replica_was_forgotten(store: &Subject) {
    let lapsed = store.lapsed().await;
    store.release_dead().await.expect("the store is there");
    assert!(!store.beat(lapsed).await);
    assert!(!store.is_alive(lapsed).await);
}

/// "How long it counts as alive after a heartbeat": not for ever.
pub async fn a_silent_replica_is_not_listed_any_more(store: &Subject) {
    let silent = store.join(&given::replica(SHORT, &[TYPE])).await;
    let loud = store.live().await;
    eventually("the end of a lease", async || (!store.is_alive(silent).await).then_some(())).await;
    assert_eq!(only(store).await.replica.id, loud);
}

/// "How long it counts as alive after a heartbeat": as long as it said, and not shorter.
pub async fn a_silent_replica_is_alive_until_its_lease_has_ended(store: &Subject) {
    let lease = SHORT * 2;
    let begun = Instant::now();
    let silent = store.join(&given::replica(lease, &[TYPE])).await;
    eventually("the end of a lease", async || (!store.is_alive(silent).await).then_some(())).await;
    assert!(begun.elapsed() >= lease, "the lease ended after {:?}", begun.elapsed());
}

/// "Renews the lease": beats carry a replica over many leases.
pub async fn beats_keep_a_replica_alive_beyond_its_lease(store: &Subject) {
    let lease = SHORT * 2;
    // A machine that stalls for longer than the lease is no broken promise: such a try says nothing.
    eventually("a try without a stall", async || {
        let mut lifeline = store.lifeline().await.expect("the store is there");
        let replica = given::replica(lease, &[TYPE]);
        let mut last = Instant::now();
        lifeline.join(&replica).await.expect("the store is there");
        for _ in 0..10 {
            sleep(lease / 4).await;
            let sent = Instant::now();
            let alive = lifeline.beat(replica.id).await.expect("the store is there");
            if last.elapsed() >= lease {
                return None;
            }
            assert!(alive, "a beat within the lease was refused");
            last = sent;
        }
        Some(())
    })
    .await;
}

/// "Alive from now on": a replica whose lease has ended can come back by joining.
pub async fn a_lapsed_replica_can_join_again(store: &Subject) {
    let lapsed = store.lapsed().await;
    store.join(&Replica { id: lapsed, ..given::replica(HOUR, &[TYPE]) }).await;
    assert!(store.is_alive(lapsed).await);
    assert!(store.beat(lapsed).await);
}

/// "Forgets a replica", and nobody else.
pub async fn a_replica_that_left_is_not_alive(store: &Subject) {
    let (gone, stays) = (store.live().await, store.live().await);
    store.leave(gone).await;
    assert_eq!(only(store).await.replica.id, stays);
    assert!(!store.beat(gone).await, "it is not known any more");
    assert!(store.beat(stays).await);
}

/// Leaving twice, or without having joined, is no mistake.
pub async fn a_stranger_can_leave(store: &Subject) {
    let stays = store.live().await;
    store.leave(ReplicaId::random()).await;
    let gone = store.live().await;
    store.leave(gone).await;
    store.leave(gone).await;
    assert_eq!(only(store).await.replica.id, stays);
}

/// A lifeline carries signs of life; its own end is none of death.
pub async fn a_replica_outlives_its_lifeline(store: &Subject) {
    let replica = given::replica(HOUR, &[TYPE]);
    let mut first = store.lifeline().await.expect("the store is there");
    first.join(&replica).await.expect("the store is there");
    drop(first);
    assert!(store.is_alive(replica.id).await);
    let mut second = store.lifeline().await.expect("the store is there");
    assert!(second.beat(replica.id).await.expect("the store is there"), "another connection is as good");
}
