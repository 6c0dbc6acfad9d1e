//! A batch of writes in one transaction.
//!
//! First everything at once: as a single statement that commits by itself when the batch is of one kind. When a guard
//! of one of many rows does not hold, nothing was written, and the second way is taken: the rows are locked and looked
//! at, and what can be written is written.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use resilient::store::{Edit, Ending, Finish, Save};
use resilient::{Epoch, Payload, ReplicaId, Status, StoreError, StoredFunction};
use sqlx::{Executor, MySqlConnection};

use super::append::append_in;
use super::pool::is_collision;
use super::rows::{ByRows, is_duplicate};
use super::{MySqlStore, Statements, read};
use crate::append::append;
use crate::error::Trouble;
use crate::record::{Placed, Record, Value, first_messages, other_messages};
use crate::store::{Answers, Plan, done};

/// How often a batch is tried that collides with others.
const ATTEMPTS: u64 = 8;

/// One statement of a batch.
struct Step<'a> {
    statement: &'a ByRows,
    rows: Vec<Vec<Value<'a>>>,
    /// Whether it has to write as many rows as it is given.
    is_guarded: bool,
}

/// What became of an attempt.
enum Attempt {
    Applied(Answers),
    /// Nothing was written: a guard did not hold.
    Refused,
    /// Nothing was written: a deadlock, or a row that appeared in between.
    Collided,
}

/// Applies a plan and answers its appends, and the other writes whose guard held.
pub(super) async fn apply(
    store: &MySqlStore,
    connection: &mut MySqlConnection,
    plan: &Plan<'_>,
) -> Result<Answers, Trouble> {
    let steps = steps(&store.statements, plan);
    let is_single = plan.appends.is_empty() && matches!(&steps[..], [step] if step.rows.len() == 1);
    match at_once(store, connection, plan, &steps).await? {
        Attempt::Applied(answers) => return Ok(answers),
        Attempt::Refused if is_single => return Ok(Answers::new()),
        Attempt::Refused | Attempt::Collided => {}
    }
    for attempt in 0..ATTEMPTS {
        connection.execute("begin").await?;
        let possible = write_possible(store, connection, plan).await;
        if let Attempt::Applied(answers) = end(connection, possible).await? {
            return Ok(answers);
        }
        tokio::time::sleep(Duration::from_millis(attempt * attempt)).await;
    }
    Err(StoreError::transient(format!(
        "a batch of writes collided with others {ATTEMPTS} times; it may work later"
    ))
    .into())
}

/// Applies a plan in a transaction of the user's: write by write, for nothing can be undone alone. A guard that does not
/// hold writes nothing.
pub(super) async fn apply_in(
    store: &MySqlStore,
    connection: &mut MySqlConnection,
    plan: &Plan<'_>,
) -> Result<Answers, Trouble> {
    let mut answers = Answers::new();
    for alone in plan.apart() {
        if write_all(connection, &steps(&store.statements, &alone)).await? {
            answers.extend(done(alone.guarded()));
        }
    }
    answers.extend(append_in(store, connection, &plan.appends).await?);
    Ok(answers)
}

impl<'a> Step<'a> {
    fn all(statement: &'a ByRows, rows: impl IntoIterator<Item = Vec<Value<'a>>>) -> Vec<Self> {
        let pieces = statement.cut_rows(rows);
        pieces.into_iter().map(|rows| Self { statement, rows, is_guarded: true }).collect()
    }
}

fn values<'a, R: Record>(records: &[&'a R]) -> impl Iterator<Item = Vec<Value<'a>>> {
    records.iter().copied().map(R::values)
}

fn steps<'a>(statements: &'a Statements, plan: &Plan<'a>) -> Vec<Step<'a>> {
    let first_messages = plan.creates.iter().copied().flat_map(first_messages);
    let mut steps = Step::all(&statements.create, values(&plan.creates));
    steps.extend(Step::all(&statements.add, first_messages.map(Placed::into_values)));
    steps.extend(Step::all(&statements.save, values(&plan.saves)));
    steps.extend(Step::all(&statements.finish, values(&plan.finishes)));
    steps.extend(Step::all(&statements.cancel, values(&plan.cancels)));
    steps.extend(plan.edits.iter().flat_map(|edit| steps_of_edit(statements, edit)));
    steps.extend(Step::all(&statements.delete, values(&plan.deletes)));
    steps
}

fn steps_of_edit<'a>(statements: &'a Statements, edit: &'a Edit) -> Vec<Step<'a>> {
    let mut steps = Step::all(&statements.edit, [edit.values()]);
    if edit.messages.is_some() {
        let clear = Step::all(&statements.clear, [edit.id.values()]);
        steps.extend(clear.into_iter().map(|step| Step { is_guarded: false, ..step }));
        steps.extend(Step::all(&statements.add, other_messages(edit).map(Placed::into_values)));
    }
    steps
}

/// A single statement commits by itself; appends are several.
async fn at_once(
    store: &MySqlStore,
    connection: &mut MySqlConnection,
    plan: &Plan<'_>,
    steps: &[Step<'_>],
) -> Result<Attempt, Trouble> {
    if steps.len() == 1 && plan.appends.is_empty() {
        return match write_all(connection, steps).await {
            Ok(true) => Ok(Attempt::Applied(done(plan.guarded()))),
            Ok(false) => Ok(Attempt::Refused),
            Err(error) if is_collision(&error) => Ok(Attempt::Collided),
            Err(error) => Err(error.into()),
        };
    }
    connection.execute("begin").await?;
    let attempt = write_together(store, connection, plan, steps).await;
    end(connection, attempt).await
}

async fn write_together(
    store: &MySqlStore,
    connection: &mut MySqlConnection,
    plan: &Plan<'_>,
    steps: &[Step<'_>],
) -> Result<Attempt, Trouble> {
    if !write_all(connection, steps).await? {
        return Ok(Attempt::Refused);
    }
    let mut answers = done(plan.guarded());
    answers.extend(append(store, connection, &plan.appends).await?);
    Ok(Attempt::Applied(answers))
}

/// Ends a transaction.
async fn end(
    connection: &mut MySqlConnection,
    attempt: Result<Attempt, Trouble>,
) -> Result<Attempt, Trouble> {
    let attempt = match attempt {
        Err(Trouble::Driver(error)) if is_collision(&error) || is_duplicate(&error) => Attempt::Collided,
        other => other?,
    };
    let is_applied = matches!(attempt, Attempt::Applied(_));
    connection.execute(if is_applied { "commit" } else { "rollback" }).await?;
    Ok(attempt)
}

/// Writes until a guard does not hold; answers whether all of them did.
async fn write_all(connection: &mut MySqlConnection, steps: &[Step<'_>]) -> Result<bool, sqlx::Error> {
    for step in steps {
        let held = step.statement.write(connection, &step.rows).await?;
        if step.is_guarded && !held {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Locks the rows, decides and writes.
async fn write_possible(
    store: &MySqlStore,
    connection: &mut MySqlConnection,
    plan: &Plan<'_>,
) -> Result<Attempt, Trouble> {
    let statements = &store.statements;
    let stored = read(connection, &statements.lock, plan.changed()).await?;
    let stored: HashMap<_, _> = stored.iter().map(|row| (&row.id, row)).collect();
    let taken = read(connection, &statements.read, plan.creates.iter().map(|create| &create.id)).await?;
    let taken: HashSet<_> = taken.iter().map(|row| &row.id).collect();
    let creates = plan.creates.iter().copied();
    let saves = plan.saves.iter().copied();
    let finishes = plan.finishes.iter().copied();
    let cancels = plan.cancels.iter().copied();
    let possible = Plan {
        creates: creates.filter(|create| !taken.contains(&create.id)).collect(),
        saves: saves.filter(|save| can_save(save, stored.get(&save.id))).collect(),
        finishes: finishes.filter(|finish| can_finish(finish, stored.get(&finish.id))).collect(),
        cancels: cancels.filter(|cancel| can_cancel(stored.get(&cancel.id))).collect(),
        ..Plan::default()
    };
    if !write_all(connection, &steps(statements, &possible)).await? {
        return Ok(Attempt::Collided);
    }
    let mut answers = done(possible.guarded());
    let edits = plan.edits.iter().map(|edit| (&edit.id, steps_of_edit(statements, edit)));
    let deletes =
        plan.deletes.iter().map(|delete| (&delete.id, Step::all(&statements.delete, [delete.values()])));
    for (id, steps) in edits.chain(deletes) {
        if write_all(connection, &steps).await? {
            answers.extend(done(vec![id.clone()]));
        }
    }
    answers.extend(append(store, connection, &plan.appends).await?);
    Ok(Attempt::Applied(answers))
}

fn can_save(save: &Save, row: Option<&&StoredFunction>) -> bool {
    row.is_some_and(|row| row.saves < save.number)
        && owns(row, save.owner, save.epoch, save.scrapbook.as_ref())
}

fn can_finish(finish: &Finish, row: Option<&&StoredFunction>) -> bool {
    let may_wait = match finish.ending {
        Ending::Suspended { message_count, .. } => {
            row.is_some_and(|row| row.message_count == message_count && !row.cancel_requested)
        }
        Ending::Postponed(_) | Ending::PutOff(_) => row.is_some_and(|row| !row.cancel_requested),
        Ending::Succeeded(_) | Ending::Failed(_) | Ending::Released | Ending::Lost => true,
    };
    may_wait && owns(row, finish.owner, finish.epoch, finish.scrapbook.as_ref())
}

fn can_cancel(row: Option<&&StoredFunction>) -> bool {
    row.is_some_and(|row| row.completed_at.is_none())
}

fn owns(row: Option<&&StoredFunction>, owner: ReplicaId, epoch: Epoch, scrapbook: Option<&Payload>) -> bool {
    row.is_some_and(|row| {
        let stored = row.scrapbook.as_ref().map_or(0, |stored| stored.version);
        row.status == Status::Executing
            && row.owner == Some(owner)
            && row.epoch == epoch
            && scrapbook.is_none_or(|scrapbook| scrapbook.version >= stored)
    })
}
