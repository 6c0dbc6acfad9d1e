//! A batch of writes in one transaction.
//!
//! First everything at once: as a single statement that commits by itself when the batch is of one kind. When a guard
//! of one of many rows does not hold, nothing was written, and the second way is taken: the rows are locked and looked
//! at, and what can be written is written.

use std::collections::{HashMap, HashSet};
use std::slice;
use std::time::Duration;

use resilient::store::{Ending, Finish, Save};
use resilient::{Epoch, FunctionId, Payload, ReplicaId, Status, StoreError, StoredFunction};
use sqlx::{Executor, MySqlConnection};

use super::pool::is_collision;
use super::rows::ByRows;
use super::{Statements, read};
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::store::Plan;

/// How often a batch is tried that collides with others.
const ATTEMPTS: u64 = 8;

/// One statement of a batch.
struct Step<'a> {
    statement: &'a ByRows,
    rows: Vec<Vec<Value<'a>>>,
}

/// What became of an attempt.
enum Attempt {
    Applied,
    /// Nothing was written: a guard did not hold.
    Refused,
    /// Nothing was written: a deadlock, or a row that appeared in between.
    Collided,
}

/// Applies a plan and answers the ids of the writes whose guard held.
pub(super) async fn apply(
    connection: &mut MySqlConnection,
    statements: &Statements,
    plan: &Plan<'_>,
) -> Result<Vec<FunctionId>, Trouble> {
    let steps = steps(statements, plan);
    let is_single = matches!(&steps[..], [step] if step.rows.len() == 1);
    match at_once(connection, &steps).await? {
        Attempt::Applied => return Ok(ids(plan)),
        Attempt::Refused if is_single => return Ok(Vec::new()),
        Attempt::Refused | Attempt::Collided => {}
    }
    for attempt in 0..ATTEMPTS {
        if let Some(applied) = row_by_row(connection, statements, plan).await? {
            return Ok(applied);
        }
        tokio::time::sleep(Duration::from_millis(attempt * attempt)).await;
    }
    Err(StoreError::transient(format!(
        "a batch of writes collided with others {ATTEMPTS} times; it may work later"
    ))
    .into())
}

fn steps<'a>(statements: &'a Statements, plan: &Plan<'a>) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    add(&mut steps, &statements.create, &plan.creates);
    add(&mut steps, &statements.save, &plan.saves);
    add(&mut steps, &statements.finish, &plan.finishes);
    add(&mut steps, &statements.edit, &plan.edits);
    add(&mut steps, &statements.delete, &plan.deletes);
    steps
}

fn add<'a, R: Record>(steps: &mut Vec<Step<'a>>, statement: &'a ByRows, records: &[&'a R]) {
    let pieces = statement.cut(records.iter().copied());
    steps.extend(pieces.into_iter().map(|rows| Step { statement, rows }));
}

fn ids(plan: &Plan<'_>) -> Vec<FunctionId> {
    let creates = plan.creates.iter().map(|create| &create.id);
    creates.chain(plan.changed()).cloned().collect()
}

async fn at_once(connection: &mut MySqlConnection, steps: &[Step<'_>]) -> Result<Attempt, sqlx::Error> {
    if let [step] = steps {
        return write_all(connection, slice::from_ref(step)).await;
    }
    connection.execute("begin").await?;
    let attempt = write_all(connection, steps).await?;
    let is_applied = matches!(attempt, Attempt::Applied);
    connection.execute(if is_applied { "commit" } else { "rollback" }).await?;
    Ok(attempt)
}

async fn write_all(connection: &mut MySqlConnection, steps: &[Step<'_>]) -> Result<Attempt, sqlx::Error> {
    for step in steps {
        match step.statement.write(connection, &step.rows).await {
            Ok(true) => {}
            Ok(false) => return Ok(Attempt::Refused),
            Err(error) if is_collision(&error) => return Ok(Attempt::Collided),
            Err(error) => return Err(error),
        }
    }
    Ok(Attempt::Applied)
}

/// Locks the rows, decides and writes; `None` when it collided with others and nothing was written.
async fn row_by_row(
    connection: &mut MySqlConnection,
    statements: &Statements,
    plan: &Plan<'_>,
) -> Result<Option<Vec<FunctionId>>, Trouble> {
    connection.execute("begin").await?;
    let applied = match write_possible(connection, statements, plan).await {
        Ok(applied) => applied,
        Err(Trouble::Driver(error)) if is_collision(&error) => None,
        Err(trouble) => return Err(trouble),
    };
    connection.execute(if applied.is_some() { "commit" } else { "rollback" }).await?;
    Ok(applied)
}

async fn write_possible(
    connection: &mut MySqlConnection,
    statements: &Statements,
    plan: &Plan<'_>,
) -> Result<Option<Vec<FunctionId>>, Trouble> {
    let stored = read(connection, &statements.lock, plan.changed()).await?;
    let stored: HashMap<_, _> = stored.iter().map(|row| (&row.id, row)).collect();
    let taken = read(connection, &statements.read, plan.creates.iter().map(|create| &create.id)).await?;
    let taken: HashSet<_> = taken.iter().map(|row| &row.id).collect();
    let creates = plan.creates.iter().copied();
    let saves = plan.saves.iter().copied();
    let finishes = plan.finishes.iter().copied();
    let possible = Plan {
        creates: creates.filter(|create| !taken.contains(&create.id)).collect(),
        saves: saves.filter(|save| can_save(save, stored.get(&save.id))).collect(),
        finishes: finishes.filter(|finish| can_finish(finish, stored.get(&finish.id))).collect(),
        ..Plan::default()
    };
    if !matches!(write_all(connection, &steps(statements, &possible)).await?, Attempt::Applied) {
        return Ok(None);
    }
    let mut applied = ids(&possible);
    let mut single = Vec::new();
    add(&mut single, &statements.edit, &plan.edits);
    add(&mut single, &statements.delete, &plan.deletes);
    let edits = plan.edits.iter().map(|edit| &edit.id);
    let keys = edits.chain(plan.deletes.iter().map(|delete| &delete.id));
    for (step, id) in single.iter().zip(keys) {
        if step.statement.write(connection, &step.rows).await? {
            applied.push(id.clone());
        }
    }
    Ok(Some(applied))
}

fn can_save(save: &Save, row: Option<&&StoredFunction>) -> bool {
    owns(row, save.owner, save.epoch, save.scrapbook.as_ref())
}

fn can_finish(finish: &Finish, row: Option<&&StoredFunction>) -> bool {
    let knows_all = match finish.ending {
        Ending::Suspended { message_count, .. } => row.is_some_and(|row| row.message_count == message_count),
        _ => true,
    };
    knows_all && owns(row, finish.owner, finish.epoch, finish.scrapbook.as_ref())
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
