//! Versions: old code never takes what new code wrote, nor writes over it.

use super::given::{self, HOUR, TYPE, finish, id, kind, save, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{FunctionId, ReplicaId};
use crate::record::{Replica, ReplicaType};
use crate::store::{Claimable, Create, Ending, Filter, Finish, Start, Write, Written};

async fn due(store: &Subject, create: Create) {
    assert_eq!(store.create(create).await, Written::Done);
}

fn waits(instance: &str) -> Create {
    given::create(instance, Start::Waiting(Due::Now))
}

/// "The version of the function, exactly."
pub async fn only_the_exact_function_version_is_claimed(store: &Subject) {
    let live = store.live().await;
    for version in [1, 2, 3] {
        due(store, Create { version, ..waits(&version.to_string()) }).await;
    }
    assert_eq!(store.claimed(live, &[Claimable { version: 4, ..kind(TYPE) }], 9).await, Vec::<String>::new());
    assert_eq!(store.claimed(live, &[Claimable { version: 2, ..kind(TYPE) }], 9).await, ["2"]);
}

/// Two versions of a function run side by side, and a replica that has both takes both.
pub async fn a_replica_with_two_versions_claims_both(store: &Subject) {
    let live = store.live().await;
    for version in [1, 2, 3] {
        due(store, Create { version, ..waits(&version.to_string()) }).await;
    }
    let kinds = [kind(TYPE), Claimable { version: 3, ..kind(TYPE) }];
    assert_eq!(store.claimed(live, &kinds, 9).await, ["1", "3"]);
}

/// "The newest version of the parameter that it reads."
pub async fn a_parameter_of_newer_code_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    for version in [1, 2, 3] {
        due(store, Create { param: text(version, "param"), ..waits(&version.to_string()) }).await;
    }
    let reads_two = Claimable { param_version: 2, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[reads_two], 9).await, ["1", "2"]);
    assert_eq!(store.row(&id("3")).await.attempts, 0);
}

/// "The newest version of the scrapbook that it reads."
pub async fn a_scrapbook_of_newer_code_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    for version in [1, 2, 3] {
        let scrapbook = Some(text(version, "scrapbook"));
        due(store, Create { scrapbook, ..waits(&version.to_string()) }).await;
    }
    let reads_two = Claimable { scrapbook_version: 2, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[reads_two], 9).await, ["1", "2"]);
    assert_eq!(store.row(&id("3")).await.attempts, 0);
}

/// "0 when it has none, and then only work without one matches."
pub async fn code_without_a_scrapbook_claims_only_work_without_one(store: &Subject) {
    let live = store.live().await;
    due(store, Create { scrapbook: Some(text(1, "scrapbook")), ..waits("with") }).await;
    due(store, waits("without")).await;
    let none = Claimable { scrapbook_version: 0, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[none], 9).await, ["without"]);
}

/// Work without a scrapbook suits code that has one: it starts with an empty one.
pub async fn code_with_a_scrapbook_claims_work_without_one(store: &Subject) {
    let live = store.live().await;
    due(store, waits("without")).await;
    let reads_three = Claimable { scrapbook_version: 3, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[reads_three], 9).await, ["without"]);
}

/// All three conditions of a kind hold for the same work, not each for some.
pub async fn the_conditions_of_a_kind_hold_together(store: &Subject) {
    let live = store.live().await;
    due(store, Create { version: 2, param: text(1, "old"), ..waits("new code, old data") }).await;
    due(store, Create { version: 1, param: text(2, "new"), ..waits("old code, new data") }).await;
    let kinds = [
        Claimable { version: 1, param_version: 1, ..kind(TYPE) },
        Claimable { version: 3, param_version: 2, ..kind(TYPE) },
    ];
    assert_eq!(store.claimed(live, &kinds, 9).await, Vec::<String>::new());
    let right = Claimable { version: 2, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[right], 9).await, ["new code, old data"]);
}

/// A saved scrapbook counts for the next claim with its own version.
pub async fn a_save_by_newer_code_keeps_older_code_away(store: &Subject) {
    let live = store.live().await;
    let run = store.running("a", live).await;
    assert_eq!(store.save(save(&run, text(3, "newer"))).await, Written::Done);
    assert_eq!(store.finish(finish(&run, Ending::Postponed(Due::Now))).await, Written::Done);
    assert_eq!(store.claim_all(live).await, []);
    let newer = Claimable { scrapbook_version: 3, ..kind(TYPE) };
    assert_eq!(store.claimed(live, &[newer], 9).await, ["a"]);
}

/// "Never with a version below the stored one."
pub async fn a_save_never_lowers_the_version(store: &Subject) {
    let run = store.restarted("a").await;
    let lower = save(&run, text(1, "older"));
    store.refuses(Write::Save(lower), Written::LostOwnership, &run).await;
}

/// "Never with a version below the stored one": an equal and a higher one are stored.
pub async fn a_save_may_keep_or_raise_the_version(store: &Subject) {
    let run = store.restarted("a").await;
    for version in [2, 3, 7] {
        let latest = store.row(&run.id).await;
        assert_eq!(store.save(save(&latest, text(version, "new"))).await, Written::Done);
        assert_eq!(store.row(&run.id).await.scrapbook, Some(text(version, "new")));
    }
    let latest = store.row(&run.id).await;
    assert_eq!(store.save(save(&latest, text(6, "older"))).await, Written::LostOwnership);
}

/// "And so does a version below the stored one, which loses the guard": also at the end of a run.
pub async fn an_ending_never_lowers_the_version(store: &Subject) {
    for (number, ending) in given::endings().into_iter().enumerate() {
        let run = store.restarted(&number.to_string()).await;
        let lower = Some(text(1, "older"));
        let end = Finish { scrapbook: lower, ..finish(&run, ending) };
        store.refuses(Write::Finish(end), Written::LostOwnership, &run).await;
    }
}

/// An ending without a scrapbook has no version to lower.
pub async fn an_ending_without_a_scrapbook_passes_the_version_guard(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.save(save(&run, text(9, "newer"))).await, Written::Done);
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
    assert_eq!(store.row(&run.id).await.scrapbook, Some(text(9, "newer")));
}

/// "Only what is due while no live replica can take it: none reads its versions", each version on its own.
pub async fn what_no_live_replica_reads_is_stuck(store: &Subject) {
    store.live().await;
    due(store, Create { version: 2, ..waits("another version") }).await;
    due(store, Create { param: text(2, "new"), ..waits("newer parameter") }).await;
    due(store, Create { scrapbook: Some(text(3, "new")), ..waits("newer scrapbook") }).await;
    due(store, Create { scrapbook: Some(text(2, "known")), ..waits("all that is read") }).await;
    due(store, Create { id: FunctionId::new("Invoice", "1"), ..waits("") }).await;
    let later = Start::Waiting(Due::After(HOUR));
    due(store, Create { start: later, version: 2, ..waits("another version, later") }).await;
    assert_eq!(stuck(store).await, ["1", "another version", "newer parameter", "newer scrapbook"]);
}

/// "No live replica can take it": a tool takes nothing, and neither does who has left.
pub async fn work_is_stuck_until_a_replica_that_takes_it_is_alive(store: &Subject) {
    due(store, waits("a")).await;
    assert_eq!(stuck(store).await, ["a"]);
    let tool = ReplicaType { type_id: TYPE.into(), version: 1, lease: HOUR, reads: None };
    store.join(&Replica { types: vec![tool], ..given::replica(HOUR, &[]) }).await;
    assert_eq!(stuck(store).await, ["a"]);
    let working = store.live().await;
    assert_eq!(stuck(store).await, Vec::<String>::new());
    store.leave(working).await;
    assert_eq!(stuck(store).await, ["a"]);
}

async fn stuck(store: &Subject) -> Vec<String> {
    let rows = store.list(&Filter { stuck: true, ..Filter::default() }).await.expect("the store is there");
    rows.into_iter().map(|row| row.id.instance_id.to_string()).collect()
}
