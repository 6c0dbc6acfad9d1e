//! The statements of SQLite.

use super::append::{GROW, LOCK, LOOK};
use super::expire::{ENDED, EXPIRE};
use crate::schema::{Migration, Prefix};
use crate::sql::{Dialect, Piece, Rows, Sql};
use crate::statements::{Columns, Common, Shape, WORDS};
use crate::store::Plan;

/// The steps of the schema.
pub(super) const MIGRATIONS: &[Migration] = &[
    (1, include_str!("../../migrations/sqlite/0001_functions.sql")),
    (2, include_str!("../../migrations/sqlite/0002_messages.sql")),
    (3, include_str!("../../migrations/sqlite/0003_cancel.sql")),
    (4, include_str!("../../migrations/sqlite/0004_parent.sql")),
];

const OWN_WORDS: &[(&str, &str)] = &[
    (
        "{dead}",
        "f.status = 0 and not exists (select 1 from {replicas} as r join {replica_types} as t \
         on t.replica_id = r.id where r.id = f.owner and t.type_id = f.type_id and t.version = f.version \
         and {now} - r.heartbeat_at <= t.lease)",
    ),
    ("{with_moment}", "with moment (now) as (select {next}) "),
    ("{cross_moment}", " cross join moment"),
    ("{moment}", "moment.now"),
    // The time is bound: as the first value, but after the rows of a statement over rows.
    ("{now}", "?1"),
    (
        "{delete}",
        "delete from {functions} where (type_id, instance_id, epoch, created_at) in \
         (select i.in_type, i.in_id, i.epoch, i.created_at from i)",
    ),
    ("{clear}", "delete from {messages} where (type_id, instance_id) in (select i.in_type, i.in_id from i)"),
    ("{exists}", "count(*) from sqlite_schema where name = '{prefix}_schema'"),
    ("{number}", "integer"),
    ("{strict}", " strict"),
    ("{clock}", ""),
    ("{with_clock}", ""),
    ("{cross_clock}", ""),
    ("{least}", "min"),
    ("{greatest}", "max"),
];

/// What a claim takes; it was picked in the same transaction.
const TAKE: Shape = Shape {
    columns: Columns("in_type text, in_id text, owner text"),
    template: "{rows}update {functions} as f set status = 0, epoch = {next_epoch}, owner = i.owner, \
         attempts = {least}(f.attempts + 1, 4294967295), due_at = null, reason = null, updated_at = {now} \
         from i where {same} returning {columns}",
};

/// What is due of one kind; the type of the placeholders' row is that of [`Claimable`](resilient::store::Claimable).
const DUE: [&str; 6] = [
    "select * from (select f.type_id, f.instance_id, f.due_at from {functions} as f where f.type_id = ?",
    " and f.version = ?",
    " and f.param_version <= ?",
    " and coalesce(f.scrapbook_version, 0) <= ?",
    " and f.status in (1, 2) and f.due_at <= {now} order by f.due_at, f.instance_id limit ?",
    ")",
];

/// What a live replica may take; the second value is the replica, the third the limit.
const PICK: &str = "select type_id, instance_id from ({rows}) where exists ( \
     select 1 from {replicas} as r where r.id = ?2 and {now} - r.heartbeat_at <= r.lease) \
     order by due_at, type_id, instance_id limit ?3";

const ANY_DEAD: &str = "select exists (select 1 from {functions} as f where {dead}) \
     or exists (select 1 from {replicas} as r where {now} - r.heartbeat_at > r.lease)";

const RELEASE: &str = "update {functions} as f set status = 1, epoch = {next_epoch}, owner = null, \
     crashes = {least}(f.crashes + 1, 4294967295), due_at = {now}, reason = null, updated_at = {now} \
     where f.rowid in (select f.rowid from {functions} as f where {dead} limit 50000)";

const FORGET: &str = "delete from {replicas} where {now} - heartbeat_at > lease";

/// All statements, with their table names.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) common: Common<Statement>,
    dialect: Dialect,
    pub(super) take: Statement,
    pub(super) lock: Statement,
    pub(super) look: Statement,
    pub(super) grow: Statement,
    pub(super) any_dead: Sql,
    pub(super) release: Sql,
    pub(super) forget: Sql,
}

impl Statements {
    pub(super) fn new(prefix: &Prefix) -> Self {
        let dialect = Dialect::new(prefix, "?1", '"', &[WORDS, OWN_WORDS]);
        Self {
            common: Common::new(prefix, dialect.clone(), Statement::new),
            take: Statement::new(&dialect, &TAKE),
            lock: Statement::new(&dialect, &LOCK),
            look: Statement::new(&dialect, &LOOK),
            grow: Statement::new(&dialect, &GROW),
            any_dead: dialect.sql(ANY_DEAD),
            release: dialect.sql(RELEASE),
            forget: dialect.sql(FORGET),
            dialect,
        }
    }

    /// Whether a plan takes one statement at most.
    pub(super) fn is_one(&self, plan: &Plan<'_>) -> bool {
        let all = &self.common;
        let count = all.create.pieces(&plan.creates).count()
            + all.save.pieces(&plan.saves).count()
            + all.finish.pieces(&plan.finishes).count()
            + all.cancel.pieces(&plan.cancels).count()
            + all.edit.pieces(&plan.edits).count()
            + all.delete.pieces(&plan.deletes).count();
        count <= 1 && plan.appends.is_empty() && !plan.has_messages()
    }

    /// What is due of so many kinds; the values of the first kind begin with the fourth.
    pub(super) fn pick(&self, kinds: usize) -> Sql {
        let mut number = 3;
        let mut pieces = Vec::new();
        for kind in 0..kinds {
            if kind > 0 {
                pieces.push(Piece::Text(" union "));
            }
            for (place, part) in DUE.into_iter().enumerate() {
                if place > 0 {
                    number += 1;
                    pieces.push(Piece::Number(number));
                }
                pieces.push(Piece::Text(part));
            }
        }
        self.dialect.with_rows(PICK, &pieces.into_iter().collect())
    }

    /// The removal of what has ended of so many types; the values of the first type begin with the third.
    pub(super) fn expire(&self, types: usize) -> Sql {
        let [of, since] = ENDED.map(Piece::Text);
        let ended = (0..types).flat_map(|number| {
            let separator = if number == 0 { "" } else { " union all " };
            let (type_id, after) = (3 + 2 * number, 4 + 2 * number);
            [Piece::Text(separator), of, Piece::Number(type_id), since, Piece::Number(after)]
        });
        self.dialect.with_rows(EXPIRE, &ended.collect())
    }
}

/// A statement over rows, for some numbers of rows: any number is made of few statements, all of them cached.
#[derive(Debug)]
pub(crate) struct Statement {
    sizes: [(usize, Sql); 4],
    /// Whether the time is bound, as the last value.
    pub(super) has_time: bool,
}

impl Statement {
    fn new(dialect: &Dialect, shape: &Shape) -> Self {
        let sized = |size| {
            let dialect = dialect.saying("{now}", &time(shape, size));
            (size, dialect.with_rows(shape.template, &rows(shape, size)))
        };
        let has_time = shape.template.contains("{now}") || shape.template.contains("{due}");
        Self { sizes: [64, 16, 4, 1].map(sized), has_time }
    }

    /// The statements for some rows, each with its share of them.
    pub(super) fn pieces<'a, R>(&'a self, rows: &'a [R]) -> impl Iterator<Item = (&'a Sql, &'a [R])> {
        let mut rest = rows;
        std::iter::from_fn(move || {
            let (size, sql) = self.sizes.iter().find(|(size, _)| *size <= rest.len())?;
            let (piece, after) = rest.split_at_checked(*size)?;
            rest = after;
            Some((sql, piece))
        })
    }
}

/// `with i (a, b) as (values (?, ?), (?, ?)) `
///
/// Without numbers, for SQLite looks up each number in a list, which makes the binding of many rows quadratic.
fn rows(shape: &Shape, count: usize) -> Rows {
    let names = shape.columns.each().enumerate().flat_map(|(place, (name, _))| {
        [Piece::Text(if place > 0 { ", " } else { "with i (" }), Piece::Text(name)]
    });
    let width = shape.columns.count();
    let values = (0..count * width).map(|place| {
        Piece::Text(match (place, place % width) {
            (0, _) => ") as (values (?",
            (_, 0) => "), (?",
            _ => ", ?",
        })
    });
    names.chain(values).chain([Piece::Text(")) ")]).collect()
}

/// The time, bound after all rows.
fn time(shape: &Shape, count: usize) -> Rows {
    [Piece::Text("?"), Piece::Number(count * shape.columns.count() + 1)].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[test]
    fn any_number_of_rows_is_made_of_few_statements() {
        let statements = Statements::new(&Prefix::new("shop").unwrap());
        let sizes = |count: usize| -> Vec<usize> {
            statements.common.save.pieces(&vec![(); count]).map(|(_, piece)| piece.len()).collect()
        };
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(86), [64, 16, 4, 1, 1]);
        assert_eq!(sizes(200), [64, 64, 64, 4, 4]);
    }

    /// How SQLite would run a statement, on empty tables without statistics.
    async fn plan(sql: &Sql) -> String {
        let store = crate::SqliteStore::in_memory().await.unwrap();
        resilient::Store::initialize(&store).await.unwrap();
        let mut writer = store.connections.writer().await.unwrap();
        let rows = sql.explained().fetch_all(&mut *writer).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(3) + "\n").collect()
    }

    #[tokio::test]
    async fn rows_are_found_by_their_keys() {
        let all = Statements::new(&Prefix::new("resilient").unwrap());
        let common = &all.common;
        let keyed = [&common.save, &common.finish, &common.edit, &common.delete, &common.read, &all.take];
        let keyed =
            keyed.into_iter().chain([&common.cancel, &common.clear, &common.messages, &all.look, &all.grow]);
        let keyed = keyed.chain([&all.lock]);
        for (_, sql) in keyed.flat_map(|statement| &statement.sizes) {
            let plan = plan(sql).await;
            assert!(plan.contains("(type_id=? AND instance_id=?"), "{plan}");
            assert!(
                !plan.contains("SCAN f") && !plan.contains("SCAN m") && !plan.contains("AUTOMATIC"),
                "{plan}"
            );
        }
    }

    #[tokio::test]
    async fn what_has_ended_is_found_by_its_type_and_time() {
        let all = Statements::new(&Prefix::new("resilient").unwrap());
        let plan = plan(&all.expire(3)).await;
        let ended = "resilient_functions_completed (status=? AND type_id=? AND completed_at<?)";
        assert_eq!(plan.matches(ended).count(), 3, "{plan}");
        let parent =
            "SEARCH p USING INDEX sqlite_autoindex_resilient_functions_1 (type_id=? AND instance_id=?)";
        assert_eq!(plan.matches(parent).count(), 3, "{plan}");
        assert!(!plan.contains("SCAN m") && !plan.contains("AUTOMATIC"), "{plan}");
    }

    #[tokio::test]
    async fn claims_and_releases_walk_over_their_indexes() {
        let all = Statements::new(&Prefix::new("resilient").unwrap());
        let picked = plan(&all.pick(3)).await;
        let due = "resilient_functions_due (type_id=? AND version=? AND due_at<?)";
        assert_eq!(picked.matches(due).count(), 3, "{picked}");
        for sql in [&all.any_dead, &all.release] {
            let plan = plan(sql).await;
            assert!(plan.contains("resilient_functions_owner"), "{plan}");
            assert!(!plan.contains("AUTOMATIC"), "{plan}");
        }
    }
}
