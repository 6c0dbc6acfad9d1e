//! Messages for instances that are there.

use sqlx::MySqlConnection;

use super::MySqlStore;
use super::statements::Template;
use crate::append::{Growth, Looking, Seen, Sought};
use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::Placed;
use crate::statements::Columns;

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
