//! Messages for instances that are there.

use resilient::store::{Append, Written};
use resilient::{Status, StoredFunction};
use sqlx::MySqlConnection;

use super::rows::is_duplicate;
use super::statements::Template;
use super::{MySqlStore, read};
use crate::append::{Growth, Looking, Seen, Sought, append};
use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::Placed;
use crate::statements::Columns;
use crate::store::Answers;

pub(super) const LOOK_COLUMNS: Columns = Columns("in_type text, in_id text, message_key text");

/// Locks instances in the order in which they are named, and then looks for their messages, as they are by then: a read
/// that locks sees what was committed last.
pub(super) const LOOK: Template = Template {
    one: "select convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4), f.status, f.message_count, \
         convert(m.message_key using utf8mb4) from {functions} as f left join {messages} as m on {its_message} \
         where {same} for update",
    many: Some(
        "select convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4), f.status, f.message_count, \
         convert(m.message_key using utf8mb4) from ({rows}) as i straight_join {functions} as f on {same} \
         left join {messages} as m on {its_message} for update",
    ),
};

pub(super) const GROW_COLUMNS: Columns = Columns("in_type text, in_id text, added number");

/// Lets the counts of messages grow, of instances that are locked already.
pub(super) const GROW: Template = Template {
    one: "update {functions} as f set f.due_at = if(f.status = 2, {now}, f.due_at), \
         f.message_count = f.message_count + i.added, f.updated_at = {now} where {same}",
    many: Some(
        "update ({rows}) as i straight_join {functions} as f on {same} set \
         f.due_at = if(f.status = 2, {now}, f.due_at), f.message_count = f.message_count + i.added, \
         f.updated_at = {now}",
    ),
};

impl Looking for MySqlStore {
    async fn look(&self, on: &mut MySqlConnection, sought: &[Sought<'_>]) -> Result<Vec<Seen>, Trouble> {
        let statement = &self.statements.look;
        let mut seen = Vec::new();
        for piece in statement.cut(sought) {
            let rows = statement.query(&piece).fetch_all(&mut *on).await?;
            for row in &rows {
                seen.push(Seen::read(row)?);
            }
        }
        Ok(seen)
    }

    async fn grow(
        &self,
        on: &mut MySqlConnection,
        messages: &[Placed<'_>],
        growths: &[Growth<'_>],
    ) -> Result<(), Trouble> {
        self.run(on, &self.statements.add, messages).await?;
        self.run(on, &self.statements.grow, growths).await?;
        Ok(())
    }
}

/// Appends messages in a transaction of the user's.
///
/// At the level `repeatable read`, the server's default, whoever looks for a key that is not there locks all places where it
/// could be, also those of other instances: nobody could send to them before the transaction ends, and two that have looked
/// could not send themselves. So here nobody looks: a message whose key is there cannot be added.
pub(super) async fn append_in(
    store: &MySqlStore,
    on: &mut MySqlConnection,
    appends: &[&Append],
) -> Result<Answers, Trouble> {
    let mut answers = Answers::new();
    for one in appends {
        let stored = read(on, &store.statements.lock, [&one.id]).await?.pop();
        answers.extend(match stored {
            Some(row) if row.status == Status::Succeeded => append(store, on, &[one]).await?,
            Some(row) => {
                add_new(store, on, one, &row).await?;
                [(one.id.clone(), Written::Done)].into()
            }
            None => [(one.id.clone(), Written::NotFound)].into(),
        });
    }
    Ok(answers)
}

/// Adds those messages whose keys are new to an instance that is locked.
async fn add_new(
    store: &MySqlStore,
    on: &mut MySqlConnection,
    append: &Append,
    row: &StoredFunction,
) -> Result<(), Trouble> {
    let mut added = 0;
    for message in &append.messages {
        let position = row.message_count.saturating_add(added).saturating_add(1);
        let placed = Placed { id: &append.id, position, message };
        match store.run(on, &store.statements.add, &[placed]).await {
            Ok(_) => added += 1,
            Err(Trouble::Driver(error)) if is_duplicate(&error) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let growths: &[_] = if added > 0 { &[Growth::new(&append.id, added)] } else { &[] };
    store.run(on, &store.statements.grow, growths).await?;
    Ok(())
}
