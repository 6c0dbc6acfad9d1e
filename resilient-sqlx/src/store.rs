//! What all stores of this crate do alike: from a batch to its answers.

use std::collections::{HashMap, HashSet};

use resilient::store::{
    After, Append, Cancel, Create, Delete, Edit, Ending, Finish, Save, Transition, Write, Written,
};
use resilient::{FunctionId, ReplicaId, Status, Store, StoreError, StoredFunction, StoredMessage};

use crate::backend::Backend;

/// A batch by kinds, each sorted by its keys: two transactions that lock several rows lock them in the same order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) creates: Vec<&'a Create>,
    pub(crate) saves: Vec<&'a Save>,
    pub(crate) finishes: Vec<&'a Finish>,
    pub(crate) appends: Vec<&'a Append>,
    pub(crate) cancels: Vec<&'a Cancel>,
    pub(crate) edits: Vec<&'a Edit>,
    pub(crate) deletes: Vec<&'a Delete>,
}

impl<'a> Plan<'a> {
    fn new(batch: impl IntoIterator<Item = &'a Write>) -> Self {
        let mut plan = Self::default();
        for write in batch {
            match write {
                Write::Create(create) => plan.creates.push(create),
                Write::Save(save) => plan.saves.push(save),
                Write::Finish(finish) => plan.finishes.push(finish),
                // Without messages there is nothing to write, and a read tells whether there is such an instance.
                Write::Append(append) if append.messages.is_empty() => {}
                Write::Append(append) => plan.appends.push(append),
                Write::Cancel(cancel) => plan.cancels.push(cancel),
                Write::Edit(edit) => plan.edits.push(edit),
                Write::Delete(delete) => plan.deletes.push(delete),
            }
        }
        plan.creates.sort_by_key(|create| &create.id);
        plan.saves.sort_by_key(|save| &save.id);
        plan.finishes.sort_by_key(|finish| &finish.id);
        plan.appends.sort_by_key(|append| &append.id);
        plan.cancels.sort_by_key(|cancel| &cancel.id);
        plan.edits.sort_by_key(|edit| &edit.id);
        plan.deletes.sort_by_key(|delete| &delete.id);
        plan
    }

    /// Each write but the appends in a plan of its own.
    #[cfg(feature = "mysql")]
    pub(crate) fn apart(&self) -> impl Iterator<Item = Self> {
        let creates = self.creates.iter().map(|create| Self { creates: vec![create], ..Self::default() });
        let saves = self.saves.iter().map(|save| Self { saves: vec![save], ..Self::default() });
        let finishes = self.finishes.iter().map(|finish| Self { finishes: vec![finish], ..Self::default() });
        let cancels = self.cancels.iter().map(|cancel| Self { cancels: vec![cancel], ..Self::default() });
        let edits = self.edits.iter().map(|edit| Self { edits: vec![edit], ..Self::default() });
        let deletes = self.deletes.iter().map(|delete| Self { deletes: vec![delete], ..Self::default() });
        creates.chain(saves).chain(finishes).chain(cancels).chain(edits).chain(deletes)
    }

    /// How many kinds of writes on existing rows there are.
    pub(crate) fn kinds_of_changes(&self) -> usize {
        let empty = [
            self.saves.is_empty(),
            self.finishes.is_empty(),
            self.appends.is_empty(),
            self.cancels.is_empty(),
            self.edits.is_empty(),
            self.deletes.is_empty(),
        ];
        empty.into_iter().filter(|empty| !empty).count()
    }

    /// How many kinds of writes there are.
    pub(crate) fn kinds(&self) -> usize {
        self.kinds_of_changes() + usize::from(!self.creates.is_empty())
    }

    /// Whether messages are written, in statements of their own.
    pub(crate) fn has_messages(&self) -> bool {
        self.creates.iter().any(|create| !create.messages.is_empty())
            || self.edits.iter().any(|edit| edit.messages.is_some())
    }

    /// What is written only if a guard holds.
    pub(crate) fn guarded(&self) -> Vec<FunctionId> {
        let ids = self.creates.iter().map(|create| &create.id);
        let ids = ids.chain(self.saves.iter().map(|save| &save.id));
        let ids = ids.chain(self.finishes.iter().map(|finish| &finish.id));
        let ids = ids.chain(self.cancels.iter().map(|cancel| &cancel.id));
        let ids = ids.chain(self.edits.iter().map(|edit| &edit.id));
        ids.chain(self.deletes.iter().map(|delete| &delete.id)).cloned().collect()
    }

    /// The existing rows that are written, in the order of their keys.
    pub(crate) fn changed(&self) -> Vec<&'a FunctionId> {
        let mut ids: Vec<_> = self.saves.iter().map(|save| &save.id).collect();
        ids.extend(self.finishes.iter().map(|finish| &finish.id));
        ids.extend(self.appends.iter().map(|append| &append.id));
        ids.extend(self.cancels.iter().map(|cancel| &cancel.id));
        ids.extend(self.edits.iter().map(|edit| &edit.id));
        ids.extend(self.deletes.iter().map(|delete| &delete.id));
        ids.sort();
        ids
    }
}

/// The answers that a transaction knows: to all appends of messages, and to the other writes whose guard held.
pub(crate) type Answers = HashMap<FunctionId, Written>;

/// The answers to writes that were applied.
pub(crate) fn done(ids: Vec<FunctionId>) -> Answers {
    ids.into_iter().map(|id| (id, Written::Done)).collect()
}

/// How often a write is tried again that could not be done when it was written, and could be when it was read.
const ATTEMPTS: usize = 5;

/// Where a batch is written, and read when a guard did not hold.
pub(crate) trait Way: Send {
    /// Applies a plan and answers its appends, and the other writes whose guard held.
    fn apply(&mut self, plan: &Plan<'_>) -> impl Future<Output = Result<Answers, StoreError>> + Send;

    /// Reads those instances that are there, in any order.
    fn read(
        &mut self,
        ids: &[FunctionId],
    ) -> impl Future<Output = Result<Vec<StoredFunction>, StoreError>> + Send;
}

/// In transactions of the store's own.
struct Own<'s, B>(&'s B);

impl<B: Backend + Store> Way for Own<'_, B> {
    async fn apply(&mut self, plan: &Plan<'_>) -> Result<Answers, StoreError> {
        self.0.settle("a write of instances", self.0.apply(plan)).await
    }

    async fn read(&mut self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, StoreError> {
        Ok(self.0.get(ids).await?.into_iter().flatten().collect())
    }
}

/// [`Store::write`]: one transaction, and reads only for the guards that did not hold.
pub(crate) async fn write(
    store: &(impl Backend + Store),
    batch: &[Write],
) -> Result<Vec<Written>, StoreError> {
    write_by(store, &mut Own(store), batch).await
}

/// Writes a batch, and reads only for the guards that did not hold.
pub(crate) async fn write_by(
    store: &impl Store,
    way: &mut impl Way,
    batch: &[Write],
) -> Result<Vec<Written>, StoreError> {
    let mut answers = way.apply(&Plan::new(batch)).await?;
    for _ in 0..ATTEMPTS {
        let failed: Vec<_> = batch.iter().filter(|write| !answers.contains_key(write.id())).collect();
        let found = Found::read(store, way, &failed).await?;
        let again: Vec<&Write> = failed.iter().filter(|write| found.is_possible(write)).copied().collect();
        if again.is_empty() {
            let answer = |write: &Write| answers.remove(write.id()).unwrap_or_else(|| found.answer(write));
            return Ok(batch.iter().map(answer).collect());
        }
        answers.extend(way.apply(&Plan::new(again)).await?);
    }
    Err(StoreError::transient(
        "an instance was made, ended or removed again and again while it was written; try later",
    ))
}

/// What was read to tell why guards did not hold.
struct Found {
    rows: HashMap<FunctionId, StoredFunction>,
    alive: HashSet<ReplicaId>,
}

impl Found {
    async fn read(store: &impl Store, way: &mut impl Way, failed: &[&Write]) -> Result<Self, StoreError> {
        let runs = |write: &&Write| matches!(write, Write::Edit(Edit { transition: Transition::Run(_), .. }));
        let mut alive = HashSet::new();
        if failed.iter().any(runs) {
            alive.extend(store.replicas().await?.into_iter().map(|live| live.replica.id));
        }
        let unclear = failed.iter().filter(|write| !is_lost(write)).map(|write| write.id().clone());
        let unclear: Vec<_> = unclear.collect();
        let rows = if unclear.is_empty() { Vec::new() } else { way.read(&unclear).await? };
        let rows = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        Ok(Self { rows, alive })
    }

    /// Whether the reason is gone for which it was not done: an id was taken, an instance was not there or had ended.
    fn is_possible(&self, write: &Write) -> bool {
        let row = self.rows.get(write.id());
        match write {
            Write::Create(_) => row.is_none(),
            Write::Cancel(_) => row.is_some_and(|row| row.completed_at.is_none()),
            _ => false,
        }
    }

    fn answer(&self, write: &Write) -> Written {
        let row = self.rows.get(write.id());
        match (write, row) {
            (Write::Create(_), Some(row)) => Written::Exists(Box::new(row.clone())),
            (Write::Finish(finish), Some(row)) if is_owned(finish, row) => Written::Changed,
            (Write::Create(_) | Write::Save(_) | Write::Finish(_), _) => Written::LostOwnership,
            (Write::Edit(Edit { transition: Transition::Run(replica), .. }), _)
                if !self.alive.contains(replica) =>
            {
                Written::LostOwnership
            }
            (Write::Append(_), Some(_)) => Written::Done,
            (Write::Cancel(_), Some(_)) => Written::Completed,
            (Write::Append(_) | Write::Cancel(_) | Write::Edit(_) | Write::Delete(_), None) => {
                Written::NotFound
            }
            (Write::Edit(_) | Write::Delete(_), Some(_)) => Written::Changed,
        }
    }
}

/// Whether a guard that did not hold has one meaning only.
fn is_lost(write: &Write) -> bool {
    match write {
        Write::Save(_) => true,
        Write::Finish(finish) => {
            !matches!(finish.ending, Ending::Suspended { .. } | Ending::Postponed(_) | Ending::PutOff(_))
        }
        Write::Create(_) | Write::Append(_) | Write::Cancel(_) | Write::Edit(_) | Write::Delete(_) => false,
    }
}

/// Whether only a message or the wish that it ends can have stopped what would wait.
fn is_owned(finish: &Finish, row: &StoredFunction) -> bool {
    let stored = row.scrapbook.as_ref().map_or(0, |scrapbook| scrapbook.version);
    row.status == Status::Executing
        && row.owner == Some(finish.owner)
        && row.epoch == finish.epoch
        && finish.scrapbook.as_ref().is_none_or(|scrapbook| scrapbook.version >= stored)
}

/// Puts rows into the order of the ids that were asked for.
pub(crate) fn in_order(ids: &[FunctionId], rows: Vec<StoredFunction>) -> Vec<Option<StoredFunction>> {
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    ids.iter().map(|id| rows.get(id).cloned()).collect()
}

/// Puts the first so many messages to the instances that were asked for.
pub(crate) fn by_instance(
    wanted: &[After],
    messages: Vec<(FunctionId, StoredMessage)>,
    limit: u32,
) -> Vec<Vec<StoredMessage>> {
    let mut found: HashMap<FunctionId, Vec<StoredMessage>> = HashMap::new();
    for (id, message) in messages.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        found.entry(id).or_default().push(message);
    }
    wanted.iter().map(|after| found.remove(&after.id).unwrap_or_default()).collect()
}
