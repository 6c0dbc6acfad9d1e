//! What the store in memory holds, and what each write does to it.

use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::{LiveReplica, NewMessage, StoredFunction, StoredMessage};
use crate::status::Status;
use crate::store::{
    Append, Cancel, Claimable, Create, Delete, Edit, Ending, Expiry, Filter, Finish, Save, Start, Transition,
    Write, Written,
};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) functions: BTreeMap<FunctionId, StoredFunction>,
    pub(super) messages: HashMap<FunctionId, Vec<StoredMessage>>,
    pub(super) replicas: HashMap<ReplicaId, LiveReplica>,
}

pub(super) fn is_alive(live: &LiveReplica, now: Timestamp) -> bool {
    now.saturating_since(live.heartbeat_at) <= live.replica.lease
}

pub(super) fn matches(filter: &Filter, row: &StoredFunction) -> bool {
    filter.type_id.as_ref().is_none_or(|type_id| *type_id == row.id.type_id)
        && filter.status.is_none_or(|status| status == row.status)
        && filter.owner.is_none_or(|owner| row.owner == Some(owner))
        && filter.after.as_ref().is_none_or(|after| *after < row.id)
}

fn describes(kind: &Claimable, row: &StoredFunction) -> bool {
    kind.type_id == row.id.type_id
        && kind.version == row.version
        && row.param.version <= kind.param_version
        && row.scrapbook.as_ref().is_none_or(|scrapbook| scrapbook.version <= kind.scrapbook_version)
}

impl State {
    pub(super) fn apply(&mut self, write: &Write, now: Timestamp) -> Written {
        match write {
            Write::Create(create) => self.create(create, now),
            Write::Save(save) => self.save(save, now),
            Write::Finish(finish) => self.finish(finish, now),
            Write::Append(append) => self.append(append, now),
            Write::Cancel(cancel) => self.cancel(cancel, now),
            Write::Edit(edit) => self.edit(edit, now),
            Write::Delete(delete) => self.delete(delete),
        }
    }

    fn create(&mut self, create: &Create, now: Timestamp) -> Written {
        if let Some(row) = self.functions.get(&create.id) {
            return Written::Exists(Box::new(row.clone()));
        }
        let (status, owner, attempts, due_at) = match create.start {
            Start::Running(owner) => (Status::Executing, Some(owner), 1, None),
            Start::Waiting(due) => (Status::Postponed, None, 0, Some(due.from_now(now))),
        };
        let row = StoredFunction {
            id: create.id.clone(),
            parent: create.parent.clone(),
            status,
            epoch: Epoch::ZERO,
            owner,
            attempts,
            cancel_requested: false,
            crashes: 0,
            due_at,
            version: create.version,
            param: create.param.clone(),
            scrapbook: create.scrapbook.clone(),
            result: None,
            failure: None,
            journal: create.journal.clone(),
            reason: None,
            saves: 0,
            message_count: 0,
            created_at: now,
            updated_at: now,
            completed_at: None,
        };
        self.functions.insert(create.id.clone(), row);
        self.add_messages(&create.id, &create.messages, now);
        Written::Done
    }

    /// Adds messages whose keys are new to an instance that is there; answers whether there were any.
    fn add_messages(&mut self, id: &FunctionId, messages: &[NewMessage], now: Timestamp) -> bool {
        let Some(row) = self.functions.get_mut(id) else { return false };
        let stored = self.messages.entry(id.clone()).or_default();
        let before = row.message_count;
        for NewMessage { name, payload, key } in messages {
            if stored.iter().any(|known| known.key == *key) {
                continue;
            }
            row.message_count += 1;
            let (name, payload, key) = (name.clone(), payload.clone(), key.clone());
            stored.push(StoredMessage { position: row.message_count, name, payload, key, sent_at: now });
        }
        row.message_count > before
    }

    fn append(&mut self, append: &Append, now: Timestamp) -> Written {
        let Some(row) = self.functions.get(&append.id) else { return Written::NotFound };
        let has = |message: &NewMessage| {
            let stored = self.messages.get(&append.id);
            stored.is_some_and(|stored| stored.iter().any(|known| known.key == message.key))
        };
        if row.status == Status::Succeeded && !append.messages.iter().all(has) {
            return Written::Completed;
        }
        if self.add_messages(&append.id, &append.messages, now) {
            self.wake(&append.id, now);
        }
        Written::Done
    }

    /// Other messages are there: what waits for one is due.
    fn wake(&mut self, id: &FunctionId, now: Timestamp) {
        let Some(row) = self.functions.get_mut(id) else { return };
        row.updated_at = now;
        if row.status == Status::Suspended {
            row.due_at = Some(now);
        }
    }

    /// The instance, if this owner runs it at this epoch and has not fallen behind its scrapbook's version.
    fn owned(
        &mut self,
        id: &FunctionId,
        owner: ReplicaId,
        epoch: Epoch,
        scrapbook: Option<&crate::payload::Payload>,
    ) -> Option<&mut StoredFunction> {
        self.functions.get_mut(id).filter(|row| {
            let stored = row.scrapbook.as_ref().map_or(0, |stored| stored.version);
            row.owner == Some(owner)
                && row.epoch == epoch
                && row.status == Status::Executing
                && scrapbook.is_none_or(|new| new.version >= stored)
        })
    }

    fn save(&mut self, save: &Save, now: Timestamp) -> Written {
        let scrapbook = save.scrapbook.as_ref();
        let row = self.owned(&save.id, save.owner, save.epoch, scrapbook);
        let Some(row) = row.filter(|row| row.saves < save.number) else { return Written::LostOwnership };
        row.saves = save.number;
        row.keep(scrapbook, save.journal.as_ref());
        row.crashes = 0;
        row.updated_at = now;
        Written::Done
    }

    fn finish(&mut self, finish: &Finish, now: Timestamp) -> Written {
        let scrapbook = finish.scrapbook.as_ref();
        let Some(row) = self.owned(&finish.id, finish.owner, finish.epoch, scrapbook) else {
            return Written::LostOwnership;
        };
        let overtaken = match finish.ending {
            Ending::Suspended { message_count, .. } => {
                row.cancel_requested || message_count != row.message_count
            }
            Ending::Postponed(_) | Ending::PutOff(_) => row.cancel_requested,
            Ending::Succeeded(_) | Ending::Failed(_) | Ending::Released | Ending::Lost => false,
        };
        if overtaken {
            return Written::Changed;
        }
        row.keep(scrapbook, finish.journal.as_ref());
        row.crashes = match finish.ending {
            Ending::Lost => row.crashes.saturating_add(1),
            Ending::Released | Ending::PutOff(_) => row.crashes,
            _ => 0,
        };
        match &finish.ending {
            Ending::Succeeded(result) => row.succeed(result.clone(), now),
            Ending::Failed(failure) => row.fail(failure.clone(), now),
            Ending::Postponed(due) => row.wait(due.from_now(now), now),
            Ending::Suspended { due, .. } => row.suspend(due.map(|due| due.from_now(now)), now),
            Ending::PutOff(due) => row.hand_back(due.from_now(now), now),
            Ending::Released => row.hand_back(now, now),
            Ending::Lost => row.wait(now, now),
        }
        row.reason.clone_from(&finish.reason);
        Written::Done
    }

    fn cancel(&mut self, cancel: &Cancel, now: Timestamp) -> Written {
        let Some(row) = self.functions.get_mut(&cancel.id) else { return Written::NotFound };
        match row.status {
            Status::Succeeded | Status::Failed => return Written::Completed,
            Status::Executing => row.updated_at = now,
            Status::Postponed | Status::Suspended => row.fail(cancel.failure.clone(), now),
        }
        row.cancel_requested = true;
        Written::Done
    }

    fn edit(&mut self, edit: &Edit, now: Timestamp) -> Written {
        let dead = |id: &ReplicaId| !self.replicas.get(id).is_some_and(|live| is_alive(live, now));
        if matches!(&edit.transition, Transition::Run(replica) if dead(replica)) {
            return Written::LostOwnership;
        }
        let Some(row) = self.functions.get_mut(&edit.id) else { return Written::NotFound };
        if (row.epoch, row.created_at) != (edit.epoch, edit.created_at) {
            return Written::Changed;
        }
        if edit.messages.as_ref().is_some_and(|replace| replace.message_count != row.message_count) {
            return Written::Changed;
        }
        if let Some(param) = &edit.param {
            row.param = param.clone();
        }
        row.keep(edit.scrapbook.as_ref(), edit.journal.as_ref());
        row.crashes = 0;
        if edit.transition != Transition::Keep {
            row.decide_anew();
        }
        match &edit.transition {
            Transition::Keep if row.status == Status::Executing => row.wait(now, now),
            Transition::Keep => row.step(now),
            Transition::Run(replica) => row.run(*replica, now),
            Transition::Wait(due) => row.wait(due.from_now(now), now),
            Transition::Succeed(result) => row.succeed(result.clone(), now),
            Transition::Fail(failure) => row.fail(failure.clone(), now),
        }
        if let Some(replace) = &edit.messages {
            row.message_count = 0;
            self.messages.remove(&edit.id);
            self.add_messages(&edit.id, &replace.messages, now);
            self.wake(&edit.id, now);
        }
        Written::Done
    }

    fn delete(&mut self, delete: &Delete) -> Written {
        match self.functions.get(&delete.id) {
            None => Written::NotFound,
            Some(row) if (row.epoch, row.created_at) != (delete.epoch, delete.created_at) => Written::Changed,
            Some(_) => {
                self.functions.remove(&delete.id);
                self.messages.remove(&delete.id);
                Written::Done
            }
        }
    }

    pub(super) fn claim(
        &mut self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
        now: Timestamp,
    ) -> Vec<StoredFunction> {
        if !self.replicas.get(&replica).is_some_and(|live| is_alive(live, now)) {
            return Vec::new();
        }
        let mut due: Vec<_> = kinds.iter().flat_map(|kind| self.due(kind, now)).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut claimed = Vec::with_capacity(due.len());
        for (_, id) in due {
            if let Some(row) = self.functions.get_mut(&id) {
                row.run(replica, now);
                claimed.push(row.clone());
            }
        }
        claimed
    }

    fn due(&self, kind: &Claimable, now: Timestamp) -> Vec<(Timestamp, FunctionId)> {
        let due = self.functions.values().filter(|row| row.is_due(now) && describes(kind, row));
        let mut due: Vec<_> = due.filter_map(|row| Some((row.due_at?, row.id.clone()))).collect();
        due.sort();
        due.truncate(usize::try_from(kind.limit).unwrap_or(usize::MAX));
        due
    }

    pub(super) fn is_stuck(&self, row: &StoredFunction, now: Timestamp) -> bool {
        let mut live = self.replicas.values().filter(|live| is_alive(live, now));
        row.is_due(now) && !live.any(|live| live.replica.types.iter().any(|of| of.takes(row)))
    }

    pub(super) fn release_dead(&mut self, now: Timestamp) -> u64 {
        let Self { functions, replicas, .. } = self;
        let mut released = 0;
        for row in functions.values_mut().filter(|row| row.status == Status::Executing) {
            let owner = row.owner.and_then(|owner| replicas.get(&owner));
            if !owner.is_some_and(|live| runs(live, row, now)) {
                row.crashes = row.crashes.saturating_add(1);
                row.wait(now, now);
                released += 1;
            }
        }
        replicas.retain(|_, live| is_alive(live, now));
        released
    }
}

impl State {
    pub(super) fn expire(&mut self, expiries: &[Expiry], limit: u32, now: Timestamp) -> u64 {
        let is_over = |row: &&StoredFunction| {
            let expiry = expiries.iter().find(|expiry| expiry.type_id == row.id.type_id);
            let ended = row.completed_at.filter(|_| row.status == Status::Succeeded);
            let is_late = |(expiry, ended): (&Expiry, _)| now.saturating_since(ended) > expiry.after;
            expiry.zip(ended).is_some_and(is_late) && !self.is_asked_for(row)
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let over = self.functions.values().filter(is_over).take(limit);
        let over: Vec<_> = over.map(|row| row.id.clone()).collect();
        for id in &over {
            self.functions.remove(id);
            self.messages.remove(id);
        }
        u64::try_from(over.len()).unwrap_or(u64::MAX)
    }

    /// Whether it has a parent that may ask for its result.
    fn is_asked_for(&self, row: &StoredFunction) -> bool {
        let parent = row.parent.as_ref().and_then(|parent| self.functions.get(parent));
        parent.is_some_and(|parent| parent.status != Status::Succeeded)
    }
}

/// Whether this replica is a live owner of the instance.
fn runs(live: &LiveReplica, row: &StoredFunction, now: Timestamp) -> bool {
    let silent = now.saturating_since(live.heartbeat_at);
    let mut types = live.replica.types.iter();
    types.any(|of| of.runs(row) && silent <= of.lease)
}
