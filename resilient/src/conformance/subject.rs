//! The store under test, with the steps that cases are made of.

use std::any::Any;
use std::fmt::Debug;
use std::ops::Deref;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::given::{self, HOUR, NOW, SHORT, TYPE, id, numbered, text};
use super::wait::eventually;
use crate::clock::{Due, Timestamp};
use crate::id::{FunctionId, ReplicaId};
use crate::record::{LiveReplica, NewMessage, Replica, StoredFunction, StoredMessage};
use crate::status::Status;
use crate::store::{
    After, Append, Cancel, Claimable, Create, Delete, Edit, Ending, Filter, Finish, Save, Start, Store,
    Write, Written,
};

/// A fresh, empty, initialized store; clones use the same data.
#[derive(Debug, Clone)]
pub struct Subject {
    store: Arc<dyn Store>,
    _keep: Arc<dyn Keep>,
}

/// What has to live as long as the store: a directory, a server.
trait Keep: Any + Debug + Send + Sync {}
impl<K: Any + Debug + Send + Sync> Keep for K {}

/// What can be given to [`store_conformance!`](crate::store_conformance): a store, a store and what has to live as
/// long as it, or `None` for a store that cannot be had here, whose cases then pass unseen.
pub trait Opened {
    /// The store to test.
    fn subject(self) -> Option<Subject>;
}

impl<S: Store> Opened for S {
    fn subject(self) -> Option<Subject> {
        (self, ()).subject()
    }
}

impl<S: Store, K: Debug + Send + Sync + 'static> Opened for (S, K) {
    fn subject(self) -> Option<Subject> {
        Some(Subject { store: Arc::new(self.0), _keep: Arc::new(self.1) })
    }
}

impl<O: Opened> Opened for Option<O> {
    fn subject(self) -> Option<Subject> {
        self.and_then(O::subject)
    }
}

impl Deref for Subject {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// Single writes.
impl Subject {
    /// Applies a batch of one write.
    pub(super) async fn one(&self, write: Write) -> Written {
        let answers = self.write(slice::from_ref(&write)).await.expect("the store is there");
        let [answer] = <[Written; 1]>::try_from(answers).expect("a batch of one has one answer");
        answer
    }

    pub(super) async fn create(&self, create: Create) -> Written {
        self.one(Write::Create(create)).await
    }

    pub(super) async fn save(&self, save: Save) -> Written {
        self.one(Write::Save(save)).await
    }

    pub(super) async fn finish(&self, finish: Finish) -> Written {
        self.one(Write::Finish(finish)).await
    }

    pub(super) async fn append(&self, append: Append) -> Written {
        self.one(Write::Append(append)).await
    }

    pub(super) async fn cancel(&self, cancel: Cancel) -> Written {
        self.one(Write::Cancel(cancel)).await
    }

    pub(super) async fn edit(&self, edit: Edit) -> Written {
        self.one(Write::Edit(edit)).await
    }

    pub(super) async fn delete(&self, delete: Delete) -> Written {
        self.one(Write::Delete(delete)).await
    }
}

/// Reads.
impl Subject {
    pub(super) async fn find(&self, id: &FunctionId) -> Option<StoredFunction> {
        let rows = self.get(slice::from_ref(id)).await.expect("the store is there");
        let [row] = <[_; 1]>::try_from(rows).expect("one id has one answer");
        row
    }

    pub(super) async fn row(&self, id: &FunctionId) -> StoredFunction {
        self.find(id).await.unwrap_or_else(|| panic!("{id} is stored"))
    }

    /// All messages of an instance.
    pub(super) async fn messages_of(&self, id: &FunctionId) -> Vec<StoredMessage> {
        let all = [After { id: id.clone(), position: 0 }];
        let answers = self.messages(&all, 1_000_000).await.expect("the store is there");
        let [messages] = <[_; 1]>::try_from(answers).expect("one id has one answer");
        messages
    }

    /// The ids that are listed, as they are listed.
    pub(super) async fn ids(&self, filter: &Filter) -> Vec<FunctionId> {
        let rows = self.list(filter).await.expect("the store is there");
        rows.into_iter().map(|row| row.id).collect()
    }

    /// The replicas that are alive; neither they nor their types have an order, so here it is that of ids.
    pub(super) async fn alive(&self) -> Vec<LiveReplica> {
        let mut live = self.replicas().await.expect("the store is there");
        live.sort_by_key(|live| live.replica.id);
        for LiveReplica { replica, .. } in &mut live {
            replica.types.sort_by(|a, b| (&a.type_id, a.version).cmp(&(&b.type_id, b.version)));
        }
        live
    }

    pub(super) async fn is_alive(&self, replica: ReplicaId) -> bool {
        self.alive().await.iter().any(|live| live.replica.id == replica)
    }

    /// The time on the store's clock: that of a row written now, of a type that no other step uses.
    pub(super) async fn now(&self) -> Timestamp {
        let probe = FunctionId::new("Clock", ReplicaId::random().to_string());
        let create =
            Create { id: probe.clone(), ..given::create("", Start::Waiting(Due::At(Timestamp::MAX))) };
        assert_eq!(self.create(create).await, Written::Done);
        self.row(&probe).await.created_at
    }

    /// Waits until the store's clock shows another time: what is written from then on is dated later.
    pub(super) async fn later_than(&self, time: Timestamp) {
        eventually("another time", async || (self.now().await > time).then_some(())).await;
    }
}

/// Scenes.
impl Subject {
    pub(super) async fn join(&self, replica: &Replica) -> ReplicaId {
        let mut lifeline = self.lifeline().await.expect("the store is there");
        lifeline.join(replica).await.expect("the store is there");
        replica.id
    }

    pub(super) async fn beat(&self, replica: ReplicaId) -> bool {
        let mut lifeline = self.lifeline().await.expect("the store is there");
        lifeline.beat(replica).await.expect("the store is there")
    }

    pub(super) async fn leave(&self, replica: ReplicaId) {
        let mut lifeline = self.lifeline().await.expect("the store is there");
        lifeline.leave(replica).await.expect("the store is there");
    }

    /// A replica of the ordinary type that outlives the case.
    pub(super) async fn live(&self) -> ReplicaId {
        self.join(&given::replica(HOUR, &[TYPE])).await
    }

    /// A replica of the ordinary type whose lease has ended.
    pub(super) async fn lapsed(&self) -> ReplicaId {
        let replica = self.join(&given::replica(SHORT, &[TYPE])).await;
        eventually("the end of a lease", async || (!self.is_alive(replica).await).then_some(())).await;
        replica
    }

    /// A new instance that runs under this replica.
    pub(super) async fn running(&self, instance: &str, owner: ReplicaId) -> StoredFunction {
        assert_eq!(self.create(given::create(instance, Start::Running(owner))).await, Written::Done);
        self.row(&id(instance)).await
    }

    /// A new instance that waits.
    pub(super) async fn waiting(&self, instance: &str, due: Due) -> StoredFunction {
        assert_eq!(self.create(given::create(instance, Start::Waiting(due))).await, Written::Done);
        self.row(&id(instance)).await
    }

    /// A new instance that waits for an hour and has messages with these keys.
    pub(super) async fn waiting_with(&self, instance: &str, keys: &[&str]) -> StoredFunction {
        let create = given::create(instance, Start::Waiting(Due::After(HOUR)));
        let create = Create { messages: given::messages(keys), ..create };
        assert_eq!(self.create(create).await, Written::Done);
        self.row(&id(instance)).await
    }

    /// Removes an instance and creates it again, as [`waiting_with`](Self::waiting_with) one message does, at a later time.
    pub(super) async fn created_again(&self, old: &StoredFunction) -> StoredFunction {
        assert_eq!(self.delete(given::delete(old)).await, Written::Done);
        self.later_than(old.created_at).await;
        let new = self.waiting_with(old.id.instance_id.as_str(), &["1"]).await;
        assert_eq!(new.epoch, old.epoch, "only the creation tells them apart");
        new
    }

    /// A new instance that runs under a replica that nobody knows, and has messages with these keys.
    pub(super) async fn running_with(&self, instance: &str, keys: &[&str]) -> StoredFunction {
        let create = given::create(instance, Start::Running(ReplicaId::random()));
        assert_eq!(self.create(Create { messages: given::messages(keys), ..create }).await, Written::Done);
        self.row(&id(instance)).await
    }

    /// An instance that has a scrapbook of version 2 and runs for the second time, after a crash, under a live replica.
    ///
    /// Every number in its row has a value of its own, so that a write to the wrong column shows. No other work of the
    /// ordinary type may be due.
    pub(super) async fn restarted(&self, instance: &str) -> StoredFunction {
        let live = self.live().await;
        let start = Start::Running(ReplicaId::random());
        let journal = Some("{\"first\":\"notes\"}".to_owned());
        let create = Create { journal, ..given::create(instance, start) };
        assert_eq!(self.create(create).await, Written::Done);
        let lost = self.row(&id(instance)).await;
        assert_eq!(self.save(numbered(&lost, 5, text(2, "first"))).await, Written::Done);
        assert_eq!(self.finish(given::finish(&lost, Ending::Lost)).await, Written::Done);
        let claimed = self.claim_all(live).await;
        let [run] = <[_; 1]>::try_from(claimed).expect("only this was due");
        assert_eq!((run.epoch.as_i64(), run.attempts, run.crashes, run.saves), (2, 2, 1, 5));
        run
    }

    /// An instance with a history that has come to this status; `Postponed` is due in an hour. What waits says why.
    pub(super) async fn in_status(&self, instance: &str, status: Status) -> StoredFunction {
        let run = self.restarted(instance).await;
        let ending = match status {
            Status::Executing => return run,
            Status::Postponed => Ending::Postponed(Due::After(HOUR)),
            Status::Suspended => Ending::Suspended { message_count: 0, due: None },
            Status::Succeeded => Ending::Succeeded(text(3, "old result")),
            Status::Failed => Ending::Failed("{\"message\":\"old failure\"}".into()),
        };
        let waits = matches!(status, Status::Postponed | Status::Suspended);
        let reason = waits.then(|| "it waits for a courier".to_owned());
        let end = Finish { reason, ..given::finish(&run, ending) };
        assert_eq!(self.finish(end).await, Written::Done);
        let row = self.row(&run.id).await;
        assert_eq!(row.status, status);
        row
    }

    /// Claims all that is due of the ordinary type, in the order of ids.
    pub(super) async fn claim_all(&self, replica: ReplicaId) -> Vec<StoredFunction> {
        self.claim_of(replica, &[given::kind(TYPE)], 10_000).await
    }

    /// Claims; the answer is in the order of ids.
    pub(super) async fn claim_of(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Vec<StoredFunction> {
        let mut rows = self.claim(replica, kinds, limit).await.expect("the store is there");
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    /// The instance ids of what is claimed, in their order.
    pub(super) async fn claimed(&self, replica: ReplicaId, kinds: &[Claimable], limit: u32) -> Vec<String> {
        let rows = self.claim_of(replica, kinds, limit).await;
        rows.iter().map(|row| row.id.instance_id.to_string()).collect()
    }
}

/// Expectations.
impl Subject {
    /// What is stored now is what was read before with this change, and nothing else.
    pub(super) async fn expect(
        &self,
        before: &StoredFunction,
        change: impl FnOnce(&mut StoredFunction),
    ) -> StoredFunction {
        let after = self.row(&before.id).await;
        became(before, &after, change);
        after
    }

    /// What is stored now is what was read before, to the last column.
    pub(super) async fn unchanged(&self, before: &StoredFunction) {
        assert_eq!(self.find(&before.id).await.as_ref(), Some(before), "nothing was to change");
    }

    /// These are all messages of the instance, in this order, with positions from 1 on without gaps.
    pub(super) async fn has_messages(&self, id: &FunctionId, expected: &[NewMessage]) {
        let stored = self.messages_of(id).await;
        let positions: Vec<_> = stored.iter().map(|message| message.position).collect();
        let count = i64::try_from(expected.len()).expect("few");
        assert_eq!(positions, (1..=count).collect::<Vec<_>>(), "the positions of {id}");
        let fresh = |StoredMessage { name, payload, key, .. }| NewMessage { name, payload, key };
        assert_eq!(stored.into_iter().map(fresh).collect::<Vec<_>>(), expected, "the messages of {id}");
        assert_eq!(self.find(id).await.map_or(0, |row| row.message_count), count, "the count of {id}");
    }

    /// The instance has messages with these keys, in this order.
    pub(super) async fn has_keys<K: AsRef<str>>(&self, id: &FunctionId, keys: impl IntoIterator<Item = K>) {
        self.has_messages(id, &given::messages(keys)).await;
    }

    /// The write has this answer and changes nothing.
    pub(super) async fn refuses(&self, write: Write, answer: Written, before: &StoredFunction) {
        assert_eq!(self.one(write.clone()).await, answer, "the answer to {write:?}");
        self.unchanged(before).await;
    }
}

/// One row is another with this change; `updated_at` goes forward by itself.
pub(super) fn became(
    before: &StoredFunction,
    after: &StoredFunction,
    change: impl FnOnce(&mut StoredFunction),
) {
    let mut expected = before.clone();
    change(&mut expected);
    // A statement may read the clock more than once, so times of one write differ by a little.
    let latest = after.updated_at.saturating_add(Duration::from_secs(1));
    let written = |time: Option<Timestamp>| time.filter(|at| (before.updated_at..=latest).contains(at));
    for (expected, after) in
        [(&mut expected.due_at, after.due_at), (&mut expected.completed_at, after.completed_at)]
    {
        // A time that is missing, or is not that of the write, leaves the placeholder, and the rows differ.
        if *expected == Some(NOW) {
            *expected = written(after).or(Some(NOW));
        }
    }
    assert!(after.updated_at >= before.updated_at, "`updated_at` went back: {before:?}, {after:?}");
    expected.updated_at = after.updated_at;
    assert_eq!(*after, expected);
}
