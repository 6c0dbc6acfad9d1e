//! The statements of PostgreSQL.

use super::append::APPEND;
use super::expire::EXPIRE;
use crate::schema::{Migration, Prefix};
use crate::sql::{Dialect, Piece, Rows, Sql};
use crate::statements::{Common, Kind, READ, Shape, WORDS};

/// The steps of the schema.
pub(super) const MIGRATIONS: &[Migration] = &[
    (1, include_str!("../../migrations/postgres/0001_functions.sql")),
    (2, include_str!("../../migrations/postgres/0002_messages.sql")),
    (3, include_str!("../../migrations/postgres/0003_cancel.sql")),
    (4, include_str!("../../migrations/postgres/0004_parent.sql")),
];

const OWN_WORDS: &[(&str, &str)] = &[
    ("{with_moment}", "{with_clock}"),
    ("{cross_moment}", "{cross_clock}"),
    ("{moment}", "{now}"),
    ("{with_clock}", "with {the_clock} "),
    // Read once per statement, so that all times that one statement writes are the same.
    (
        "{the_clock}",
        "clock (now) as materialized (select (extract(epoch from clock_timestamp()) * 1000000)::bigint)",
    ),
    (
        "{delete}",
        "delete from {functions} as f using i where f.type_id = i.in_type and f.instance_id = i.in_id \
         and f.epoch = i.epoch and f.created_at = i.created_at",
    ),
    (
        "{clear}",
        "delete from {messages} as m using i where m.type_id = i.in_type and m.instance_id = i.in_id",
    ),
    ("{exists}", "case when to_regclass('{schema}') is null then 0::bigint else 1::bigint end"),
    ("{number}", "bigint"),
    ("{strict}", ""),
    ("{now}", "clock.now"),
    ("{clock}", ", clock"),
    ("{cross_clock}", " cross join clock"),
    ("{least}", "least"),
    ("{greatest}", "greatest"),
];

/// Locks rows in the order of their keys, before several statements of one transaction write them in any order; answers
/// those that are there.
const LOCK: Shape = Shape {
    columns: READ.columns,
    template: "{rows}select f.type_id, f.instance_id from i cross join {functions} as f where {same} \
         order by f.type_id, f.instance_id for update of f",
};

/// What is due of each kind that a live replica can run, the longest due first.
///
/// What somebody else is just claiming is skipped. A row that changed meanwhile is looked at again before it is locked.
const CLAIM: &str = "with {the_clock}, \
     kinds as (select * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) \
         as kind (type_id, version, param_version, scrapbook_version, quota)), \
     due as materialized (select distinct f.type_id, f.instance_id, f.due_at from clock \
         join {replicas} as me on me.id = $1 and {now} - me.heartbeat_at <= me.lease \
         cross join kinds cross join lateral ( \
             select f.type_id, f.instance_id, f.due_at from {functions} as f \
             where f.type_id = kinds.type_id and f.version = kinds.version \
                 and f.param_version <= kinds.param_version \
                 and coalesce(f.scrapbook_version, 0) <= kinds.scrapbook_version \
                 and f.status in (1, 2) and f.due_at <= {now} \
             order by f.due_at, f.instance_id limit kinds.quota for update of f skip locked) as f \
         order by f.due_at, f.type_id, f.instance_id limit $7), \
     claimed as (update {functions} as f set status = 0, epoch = {next_epoch}, owner = $1, \
             attempts = {least}(f.attempts + 1, 4294967295), due_at = null, reason = null, updated_at = {now} \
         from due, clock where f.type_id = due.type_id and f.instance_id = due.instance_id \
         returning f.*, due.due_at as was_due) \
     select {columns} from claimed order by was_due, type_id, instance_id";

/// Walks over the owners of what is executing, not over the instances; then locks the instances of the dead ones.
///
/// What is locked is just being written, by somebody who is not as dead as it looks or by another release; the next one
/// sees it again. A row that was claimed meanwhile has another owner and is left alone.
const RELEASE: &str = "with recursive {the_clock}, \
     runs (owner, type_id, version) as ( \
         (select owner, type_id, version from {functions} where status = 0 \
             order by owner, type_id, version limit 1) \
         union all \
         select next.owner, next.type_id, next.version from runs cross join lateral ( \
             select f.owner, f.type_id, f.version from {functions} as f where f.status = 0 \
                 and (f.owner, f.type_id, f.version) > (runs.owner, runs.type_id, runs.version) \
             order by f.owner, f.type_id, f.version limit 1) as next), \
     dead as materialized (select runs.* from runs, clock where not exists ( \
         select 1 from {replicas} as r join {replica_types} as t on t.replica_id = r.id \
         where r.id = runs.owner and t.type_id = runs.type_id and t.version = runs.version \
             and {now} - r.heartbeat_at <= t.lease)), \
     orphans as materialized (select f.type_id as in_type, f.instance_id as in_id from dead \
         join {functions} as f on f.status = 0 and f.owner = dead.owner and f.type_id = dead.type_id \
             and f.version = dead.version \
         order by f.type_id, f.instance_id limit 50000 for update of f skip locked) \
     update {functions} as f set status = 1, epoch = {next_epoch}, owner = null, \
         crashes = {least}(f.crashes + 1, 4294967295), due_at = {now}, reason = null, updated_at = {now} \
     from orphans as i, clock where {same}";

const FORGET: &str = "with {the_clock}, \
     ended as materialized (select r.id from {replicas} as r, clock where {now} - r.heartbeat_at > r.lease \
         order by r.id for update of r skip locked) \
     delete from {replicas} where id in (select id from ended)";

/// All statements, with their table names.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) common: Common<Statement>,
    pub(super) lock: Statement,
    pub(super) append: Statement,
    pub(super) claim: Sql,
    pub(super) release: Sql,
    pub(super) forget: Sql,
    pub(super) expire: Sql,
}

impl Statements {
    pub(super) fn new(prefix: &Prefix) -> Self {
        let dialect = Dialect::new(prefix, "$1", '"', &[WORDS, OWN_WORDS]);
        Self {
            lock: Statement::new(&dialect, &LOCK),
            append: Statement::new(&dialect, &APPEND),
            claim: dialect.sql(CLAIM),
            release: dialect.sql(RELEASE),
            forget: dialect.sql(FORGET),
            expire: dialect.sql(EXPIRE),
            common: Common::new(prefix, dialect, Statement::new),
        }
    }
}

/// A statement over rows: for one row with plain values, for any other number of rows with arrays.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What its columns hold.
    pub(super) kinds: Vec<Kind>,
    pub(super) one: Sql,
    pub(super) many: Sql,
}

impl Statement {
    fn new(dialect: &Dialect, shape: &Shape) -> Self {
        let sql = |source: Source| dialect.with_rows(shape.template, &rows(shape, source));
        Self {
            kinds: shape.columns.each().map(|(_, kind)| kind).collect(),
            one: sql(Source::Values),
            many: sql(Source::Arrays),
        }
    }
}

/// Where rows come from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Values,
    Arrays,
}

/// `with clock …, i (a, b) as (values ($1::text, $2::bigint)) `, or `select * from unnest($1::text[], …)`.
fn rows(shape: &Shape, source: Source) -> Rows {
    let (head, text, number, tail) = match source {
        Source::Values => (") as (values (", "::text", "::bigint", ")) "),
        Source::Arrays => (") as (select * from unnest(", "::text[]", "::bigint[]", ")) "),
    };
    let names = shape.columns.each().enumerate().flat_map(|(place, (name, _))| {
        [Piece::Text(if place > 0 { ", " } else { "with {the_clock}, i (" }), Piece::Text(name)]
    });
    let values = shape.columns.each().enumerate().flat_map(|(place, (_, kind))| {
        let before = if place > 0 { ", " } else { head };
        let after = if kind == Kind::Text { text } else { number };
        [Piece::Text(before), Piece::Text("$"), Piece::Number(place + 1), Piece::Text(after)]
    });
    names.chain(values).chain([Piece::Text(tail)]).collect()
}
