//! What became of a write whose answer was lost.
//!
//! A store call that errs may have been applied. Issuing it again blindly, or taking a guard that does not hold any
//! more for "somebody else was here", are both wrong: the row as it is now decides.

use std::collections::HashSet;

use serde_json::Value;

use crate::id::Epoch;
use crate::payload::Payload;
use crate::record::{NewMessage, StoredFunction, StoredMessage};
use crate::status::Status;
use crate::store::{
    Cancel, Create, Delete, Edit, Ending, Finish, Replace, Save, Start, Transition, Write, Written,
};

/// How many of the instance's first messages have to be read to tell, when any have.
pub(super) fn replaced(write: &Write) -> Option<u32> {
    let Write::Edit(Edit { messages: Some(replace), .. }) = write else { return None };
    // One more than there should be shows that there are others.
    Some(u32::try_from(replace.messages.len()).unwrap_or(u32::MAX).saturating_add(1))
}

/// The answer that the write would have got, or `None` when it was not applied and may be issued again.
///
/// Of the messages it needs as many as [`replaced`] says.
pub(super) fn answer(
    write: &Write,
    row: Option<&StoredFunction>,
    messages: &[StoredMessage],
) -> Option<Written> {
    match write {
        Write::Create(create) => row.map(|row| created(create, row)),
        Write::Save(save) => row.map_or(Some(Written::LostOwnership), |row| saved(save, row)),
        Write::Finish(finish) => row.map_or(Some(Written::LostOwnership), |row| finished(finish, row)),
        // Keys make it harmless to issue it again.
        Write::Append(_) => row.is_none().then_some(Written::NotFound),
        Write::Cancel(cancel) => row.map_or(Some(Written::NotFound), |row| cancelled(cancel, row)),
        Write::Edit(edit) => row.map_or(Some(Written::NotFound), |row| edited(edit, row, messages)),
        Write::Delete(delete) => row.map_or(Some(Written::Done), |row| not_deleted(delete, row)),
    }
}

fn created(create: &Create, row: &StoredFunction) -> Written {
    match create.start {
        // For waiting work it does not matter who stored the same input.
        Start::Waiting(_) if row.epoch == Epoch::ZERO && row.owner.is_none() && is_same(create, row) => {
            Written::Done
        }
        // An instance that this replica owns at epoch 0 need not be of this create: an earlier run of it may have been
        // stopped, and its progress must not be forgotten. The caller finds out.
        Start::Waiting(_) | Start::Running(_) => Written::Exists(Box::new(row.clone())),
    }
}

fn is_same(create: &Create, row: &StoredFunction) -> bool {
    let messages = distinct(&create.messages).len();
    is_payload(&row.param, &create.param)
        && is_journal(row, create.journal.as_ref())
        && usize::try_from(row.message_count).is_ok_and(|count| count >= messages)
}

fn is_payload(stored: &Payload, given: &Payload) -> bool {
    stored.version == given.version && is_json(&stored.body, &given.body)
}

fn is_journal(row: &StoredFunction, given: Option<&String>) -> bool {
    match (&row.journal, given) {
        (Some(stored), Some(given)) => is_json(stored, given),
        (stored, given) => stored.is_none() && given.is_none(),
    }
}

/// Whether both texts mean the same: a codec may give a value back with other spaces, or digits, than it was given.
fn is_json(stored: &str, given: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).ok();
    stored == given || value(stored).is_some_and(|stored| value(given) == Some(stored))
}

/// The messages that are stored of these: of several with one key the first.
fn distinct(messages: &[NewMessage]) -> Vec<&NewMessage> {
    let mut known = HashSet::new();
    messages.iter().filter(|message| known.insert(&message.key)).collect()
}

fn saved(save: &Save, row: &StoredFunction) -> Option<Written> {
    if row.owner != Some(save.owner) || row.epoch != save.epoch {
        return Some(Written::LostOwnership);
    }
    (row.saves >= save.number).then_some(Written::Done)
}

fn finished(finish: &Finish, row: &StoredFunction) -> Option<Written> {
    if row.owner == Some(finish.owner) && row.epoch == finish.epoch {
        return None;
    }
    let applied = row.epoch == finish.epoch.next()
        && match &finish.ending {
            Ending::Succeeded(result) => row.result.as_ref().is_some_and(|stored| is_payload(stored, result)),
            Ending::Failed(failure) => row.failure.as_ref() == Some(failure),
            // A release by somebody else looks the same, and means the same: the run is over, and it will run again.
            Ending::Postponed(_) | Ending::PutOff(_) | Ending::Released | Ending::Lost => {
                row.status == Status::Postponed
            }
            Ending::Suspended { .. } => row.status == Status::Suspended,
        };
    Some(if applied { Written::Done } else { Written::LostOwnership })
}

fn cancelled(cancel: &Cancel, row: &StoredFunction) -> Option<Written> {
    match row.status {
        // Somebody else's cancellation looks the same, and means the same.
        Status::Failed if row.failure.as_ref() == Some(&cancel.failure) => Some(Written::Done),
        Status::Succeeded | Status::Failed => Some(Written::Completed),
        Status::Executing if row.cancel_requested => Some(Written::Done),
        Status::Executing | Status::Postponed | Status::Suspended => None,
    }
}

fn edited(edit: &Edit, row: &StoredFunction, messages: &[StoredMessage]) -> Option<Written> {
    if row.created_at != edit.created_at {
        return Some(Written::Changed);
    }
    if row.epoch == edit.epoch {
        return None;
    }
    let data = edit.param.as_ref().is_none_or(|param| is_payload(&row.param, param))
        && edit.scrapbook.as_ref().is_none_or(|scrapbook| {
            row.scrapbook.as_ref().is_some_and(|stored| is_payload(stored, scrapbook))
        })
        && (edit.journal.is_none() || is_journal(row, edit.journal.as_ref()))
        && edit.messages.as_ref().is_none_or(|replace| begin_with(messages, replace));
    let transition = match &edit.transition {
        Transition::Keep => true,
        Transition::Run(replica) => row.owner == Some(*replica),
        Transition::Wait(_) => row.status == Status::Postponed,
        Transition::Succeed(result) => row.result.as_ref().is_some_and(|stored| is_payload(stored, result)),
        Transition::Fail(failure) => row.failure.as_ref() == Some(failure),
    };
    let applied = row.epoch == edit.epoch.next() && data && transition;
    Some(if applied { Written::Done } else { Written::Changed })
}

/// Whether these messages are those of the replacement, with what may have come behind them.
fn begin_with(stored: &[StoredMessage], replace: &Replace) -> bool {
    let given = distinct(&replace.messages);
    let is = |(stored, given): (&StoredMessage, &&NewMessage)| {
        stored.key == given.key && stored.name == given.name && is_payload(&stored.payload, &given.payload)
    };
    // What was emptied and has messages again looks like what was never emptied: whoever edits looks again.
    let emptied = given.is_empty() && !stored.is_empty();
    !emptied && stored.len() >= given.len() && stored.iter().zip(&given).all(is)
}

fn not_deleted(delete: &Delete, row: &StoredFunction) -> Option<Written> {
    // Another one of that id: the one that was to be deleted is gone.
    if row.created_at != delete.created_at {
        return Some(Written::Done);
    }
    (row.epoch != delete.epoch).then_some(Written::Changed)
}
