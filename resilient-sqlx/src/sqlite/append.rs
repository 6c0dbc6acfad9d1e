//! Messages for instances that are there.

use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::batch::run;
use crate::append::{Growth, Looking, Seen, Sought};
use crate::error::Trouble;
use crate::record::Placed;
use crate::statements::{Columns, READ, Shape};

/// Instances with those of their messages that are looked for.
pub(super) const LOOK: Shape = Shape {
    columns: Columns("in_type text, in_id text, message_key text"),
    template: "{rows}select f.type_id, f.instance_id, f.status, f.message_count, m.message_key \
         from i cross join {functions} as f left join {messages} as m on {its_message} where {same}",
};

/// Lets the counts of messages grow.
pub(super) const GROW: Shape = Shape {
    columns: Columns("in_type text, in_id text, added number"),
    template: "{rows}update {functions} as f set message_count = f.message_count + i.added, updated_at = {now}, \
         due_at = case when f.status = 2 then {now} else f.due_at end \
         from i where {same} returning type_id, instance_id",
};

/// Writes nothing new, and so takes the write lock, which cannot be waited for any more once a transaction has read.
pub(super) const LOCK: Shape = Shape {
    columns: READ.columns,
    template: "{rows}update {functions} as f set epoch = f.epoch from i where {same} returning type_id, instance_id",
};

impl Looking for SqliteStore {
    async fn look(&self, on: &mut SqliteConnection, sought: &[Sought<'_>]) -> Result<Vec<Seen>, Trouble> {
        let rows = run(on, &self.statements.look, self.connections.now(), sought).await?;
        rows.iter().map(Seen::read).collect()
    }

    async fn grow(
        &self,
        on: &mut SqliteConnection,
        messages: &[Placed<'_>],
        growths: &[Growth<'_>],
    ) -> Result<(), Trouble> {
        let now = self.connections.now();
        run(on, &self.statements.common.add, now, messages).await?;
        run(on, &self.statements.grow, now, growths).await?;
        Ok(())
    }
}
