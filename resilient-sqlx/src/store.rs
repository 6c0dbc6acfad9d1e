//! What all stores of this crate do alike: from a batch to its answers.

use std::collections::{HashMap, HashSet};

use resilient::store::{Create, Delete, Edit, Ending, Finish, Save, Transition, Write, Written};
use resilient::{FunctionId, ReplicaId, Status, Store, StoreError, StoredFunction};

use crate::backend::Backend;

/// A batch by kinds, each sorted by its keys: two transactions that lock several rows lock them in the same order.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) creates: Vec<&'a Create>,
    pub(crate) saves: Vec<&'a Save>,
    pub(crate) finishes: Vec<&'a Finish>,
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
                Write::Edit(edit) => plan.edits.push(edit),
                Write::Delete(delete) => plan.deletes.push(delete),
                Write::Append(_) => {}
            }
        }
        plan.creates.sort_by_key(|create| &create.id);
        plan.saves.sort_by_key(|save| &save.id);
        plan.finishes.sort_by_key(|finish| &finish.id);
        plan.edits.sort_by_key(|edit| &edit.id);
        plan.deletes.sort_by_key(|delete| &delete.id);
        plan
    }

    /// How many kinds of writes on existing rows there are.
    pub(crate) fn kinds_of_changes(&self) -> usize {
        let empty =
            [self.saves.is_empty(), self.finishes.is_empty(), self.edits.is_empty(), self.deletes.is_empty()];
        empty.into_iter().filter(|empty| !empty).count()
    }

    /// How many kinds of writes there are.
    pub(crate) fn kinds(&self) -> usize {
        self.kinds_of_changes() + usize::from(!self.creates.is_empty())
    }

    /// The existing rows that are written, in the order of their keys.
    pub(crate) fn changed(&self) -> Vec<&'a FunctionId> {
        let mut ids: Vec<_> = self.saves.iter().map(|save| &save.id).collect();
        ids.extend(self.finishes.iter().map(|finish| &finish.id));
        ids.extend(self.edits.iter().map(|edit| &edit.id));
        ids.extend(self.deletes.iter().map(|delete| &delete.id));
        ids.sort();
        ids
    }
}

/// How often a create is tried again whose id was taken when it was written, and free when it was read.
const CREATE_ATTEMPTS: usize = 5;

/// [`Store::write`]: one transaction, and reads only for the guards that did not hold.
pub(crate) async fn write(
    store: &(impl Backend + Store),
    batch: &[Write],
) -> Result<Vec<Written>, StoreError> {
    let mut applied = apply(store, &Plan::new(batch)).await?;
    if applied.len() == batch.len() {
        return Ok(vec![Written::Done; batch.len()]);
    }
    for _ in 0..CREATE_ATTEMPTS {
        let done: HashSet<_> = applied.iter().collect();
        let failed: Vec<_> = batch.iter().filter(|write| !done.contains(write.id())).collect();
        let found = Found::read(store, &failed).await?;
        let vanished =
            |write: &&&Write| matches!(write, Write::Create(_)) && !found.rows.contains_key(write.id());
        let again: Vec<&Write> = failed.iter().filter(vanished).copied().collect();
        if again.is_empty() {
            return Ok(batch
                .iter()
                .map(|write| if done.contains(write.id()) { Written::Done } else { found.answer(write) })
                .collect());
        }
        let retried = apply(store, &Plan::new(again)).await?;
        applied.extend(retried);
    }
    Err(StoreError::transient("an id was taken and freed again and again while it was created; try later"))
}

async fn apply(store: &impl Backend, plan: &Plan<'_>) -> Result<Vec<FunctionId>, StoreError> {
    store.settle("a write of instances", store.apply(plan)).await
}

/// What was read to tell why guards did not hold.
struct Found {
    rows: HashMap<FunctionId, StoredFunction>,
    alive: HashSet<ReplicaId>,
}

impl Found {
    async fn read(store: &impl Store, failed: &[&Write]) -> Result<Self, StoreError> {
        let runs = |write: &&Write| matches!(write, Write::Edit(Edit { transition: Transition::Run(_), .. }));
        let mut alive = HashSet::new();
        if failed.iter().any(runs) {
            alive.extend(store.replicas().await?.into_iter().map(|live| live.replica.id));
        }
        let unclear = failed.iter().filter(|write| !is_lost(write)).map(|write| write.id().clone());
        let unclear: Vec<_> = unclear.collect();
        let rows = if unclear.is_empty() { Vec::new() } else { store.get(&unclear).await? };
        let rows = rows.into_iter().flatten().map(|row| (row.id.clone(), row)).collect();
        Ok(Self { rows, alive })
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
            (Write::Append(_), _) | (Write::Edit(_) | Write::Delete(_), None) => Written::NotFound,
            (Write::Edit(_) | Write::Delete(_), Some(_)) => Written::Changed,
        }
    }
}

/// Whether a guard that did not hold has one meaning only.
fn is_lost(write: &Write) -> bool {
    match write {
        Write::Save(_) => true,
        Write::Finish(finish) => !matches!(finish.ending, Ending::Suspended { .. }),
        Write::Create(_) | Write::Append(_) | Write::Edit(_) | Write::Delete(_) => false,
    }
}

/// Whether only the count of messages can have stopped this suspension.
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
