//! The statements that differ between databases in single words only.
//!
//! Each works on a set of rows that is called `i`, whose keys are called `in_type` and `in_id`, for some databases take
//! only bare names in `returning`. `{now}` is the time of the statement, `{clock}` brings it into a list
//! of tables, `{least}` and `{greatest}` compare two numbers. A row of `{functions}` is written only by a statement
//! whose conditions hold on the row itself, so no answer depends on something that was read before.

use resilient::Filter;

use crate::backend::Signs;
use crate::schema::Prefix;
use crate::sql::{Dialect, Sql};

/// What a column of `i` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
}

/// The columns of `i`: a name and a kind each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns(pub(crate) &'static str);

impl Columns {
    /// Each name with its kind.
    pub(crate) fn each(self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.0.split(", ").map(|column| match column.split_once(' ') {
            Some((name, "text")) => (name, Kind::Text),
            Some((name, _)) => (name, Kind::Number),
            None => (column, Kind::Number),
        })
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.each().count()
    }
}

/// A statement over rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) columns: Columns,
    /// The statement; `{rows}` at its beginning brings `i`.
    pub(crate) template: &'static str,
}

/// The words that all databases of this crate share; a dialect puts its own before them.
pub(crate) const WORDS: &[(&str, &str)] = &[
    (
        "{keep_progress}",
        "scrapbook = coalesce(i.scrapbook, f.scrapbook), \
         scrapbook_version = coalesce(i.scrapbook_version, f.scrapbook_version), \
         journal = coalesce(i.journal, f.journal)",
    ),
    (
        "{not_behind}",
        "coalesce(i.scrapbook_version, f.scrapbook_version, 0) >= coalesce(f.scrapbook_version, 0)",
    ),
    ("{next_epoch}", "{least}(f.epoch, 9223372036854775806) + 1"),
    // Nothing, when there is no distance either.
    (
        "{due}",
        "case when i.due_after is not null then coalesce(i.due_at, {least}({now} + i.due_after, 253402300799999999)) end",
    ),
    // Rows are found by their keys. The sum hides the status from the planner, which on a fresh table would rather walk
    // over all that the owner runs, by the index on owners.
    ("{owned}", "{same} and f.status + 0 = 0 and f.owner = i.owner and f.epoch = i.epoch"),
    ("{as_read}", "{same} and f.epoch = i.epoch and f.created_at = i.created_at"),
    // What is to end is not put away to wait; it is handed over, or lost.
    ("{may_wait}", "(i.status >= 3 or i.hand_over in (1, 2) or f.cancel_requested = 0)"),
    // A result that no parent may ask for. It is asked row by row: with `not exists`, a planner may read the whole table.
    (
        "{unasked}",
        "(f.parent_type_id is null or coalesce((select p.status from {functions} as p \
         where p.type_id = f.parent_type_id and p.instance_id = f.parent_instance_id), 3) = 3)",
    ),
    ("{after}", "(f.type_id, f.instance_id) > ({next}, {next})"),
    ("{same}", "f.type_id = i.in_type and f.instance_id = i.in_id"),
    (
        "{columns}",
        "type_id, instance_id, status, epoch, owner, attempts, crashes, due_at, version, param, \
         param_version, scrapbook, scrapbook_version, result, result_version, failure, message_count, \
         created_at, updated_at, completed_at, journal, reason, saves, cancel_requested, parent_type_id, \
         parent_instance_id",
    ),
    (
        "{message_columns}",
        "m.type_id, m.instance_id, m.position, m.name, m.payload, m.payload_version, m.message_key, m.sent_at",
    ),
    (
        "{its_message}",
        "m.type_id = f.type_id and m.instance_id = f.instance_id and m.message_key = i.message_key",
    ),
];

/// New instances; answers those that were made.
pub(crate) const CREATE: Shape = Shape {
    columns: Columns(
        "in_type text, in_id text, status number, owner text, attempts number, due_at number, \
         due_after number, version number, param text, param_version number, scrapbook text, \
         scrapbook_version number, journal text, message_count number, parent_type_id text, parent_instance_id text",
    ),
    template: "{rows}insert into {functions} (type_id, instance_id, status, owner, attempts, due_at, version, \
         param, param_version, scrapbook, scrapbook_version, journal, message_count, parent_type_id, \
         parent_instance_id, created_at, updated_at) \
         select i.in_type, i.in_id, i.status, i.owner, i.attempts, {due}, i.version, i.param, i.param_version, \
         i.scrapbook, i.scrapbook_version, i.journal, i.message_count, i.parent_type_id, i.parent_instance_id, \
         {now}, {now} \
         from i{clock} where true \
         on conflict (type_id, instance_id) do nothing returning type_id, instance_id",
};

/// Progress; answers the instances that were still owned, and had no later save.
pub(crate) const SAVE: Shape = Shape {
    columns: Columns(
        "in_type text, in_id text, owner text, epoch number, scrapbook text, scrapbook_version number, \
         journal text, saves number",
    ),
    template: "{rows}update {functions} as f set {keep_progress}, saves = i.saves, crashes = 0, updated_at = {now} \
         from i{clock} where {owned} and {not_behind} and i.saves > f.saves \
         returning type_id, instance_id",
};

/// Ends of runs; answers the instances that were still owned.
///
/// `hand_over` is 0 for an outcome, 1 for a graceful hand-over, 2 for a lost run and 3 for what was put off without a run.
pub(crate) const FINISH: Shape = Shape {
    columns: Columns(
        "in_type text, in_id text, owner text, epoch number, scrapbook text, scrapbook_version number, \
         journal text, reason text, status number, due_at number, due_after number, result text, \
         result_version number, failure text, message_count number, hand_over number",
    ),
    template: "{rows}update {functions} as f set status = i.status, epoch = {next_epoch}, owner = null, \
         attempts = case when i.hand_over in (1, 3) then {greatest}(f.attempts - 1, 0) else f.attempts end, \
         crashes = case i.hand_over when 0 then 0 when 2 then {least}(f.crashes + 1, 4294967295) else f.crashes end, \
         due_at = {due}, reason = i.reason, {keep_progress}, result = i.result, result_version = i.result_version, failure = i.failure, \
         updated_at = {now}, completed_at = case when i.status >= 3 then {now} end \
         from i{clock} where {owned} and {not_behind} \
         and (i.message_count is null or i.message_count = f.message_count) and {may_wait} \
         returning type_id, instance_id",
};

/// Wishes that instances end; answers those that had not ended.
///
/// What waits fails, and so is told by its having no owner; what executes is only marked.
pub(crate) const CANCEL: Shape = Shape {
    columns: Columns("in_type text, in_id text, failure text"),
    template: "{rows}update {functions} as f set status = case when f.owner is null then 4 else f.status end, \
         epoch = case when f.owner is null then {next_epoch} else f.epoch end, due_at = null, reason = null, \
         failure = case when f.owner is null then i.failure end, \
         completed_at = case when f.owner is null then {now} end, cancel_requested = 1, updated_at = {now} \
         from i{clock} where {same} and f.status + 0 <= 2 returning type_id, instance_id",
};

/// Changes by people; answers the instances that were as they had been read and, for other messages, had as many.
///
/// Without a status the instance keeps its own, unless it is executing. The messages themselves are written after it.
pub(crate) const EDIT: Shape = Shape {
    columns: Columns(
        "in_type text, in_id text, epoch number, created_at number, param text, param_version number, \
         scrapbook text, scrapbook_version number, journal text, status number, owner text, due_at number, due_after number, \
         result text, result_version number, failure text, known_messages number, message_count number",
    ),
    template: "{rows}update {functions} as f set \
         status = coalesce(i.status, case when f.status = 0 then 1 else f.status end), \
         epoch = {next_epoch}, owner = i.owner, \
         attempts = case when i.status = 0 then {least}(f.attempts + 1, 4294967295) else f.attempts end, crashes = 0, \
         due_at = case when i.status is not null then {due} \
         when f.status = 0 or f.status = 2 and i.message_count is not null then {now} else f.due_at end, \
         reason = case when i.status is null and f.status <> 0 then f.reason end, \
         message_count = coalesce(i.message_count, f.message_count), \
         param = coalesce(i.param, f.param), param_version = coalesce(i.param_version, f.param_version), \
         {keep_progress}, result = case when i.status is null then f.result else i.result end, \
         result_version = case when i.status is null then f.result_version else i.result_version end, \
         failure = case when i.status is null then f.failure else i.failure end, \
         cancel_requested = case when i.status is null then f.cancel_requested else 0 end, updated_at = {now}, \
         completed_at = case when i.status is null then f.completed_at when i.status >= 3 then {now} end \
         from i{clock} where {as_read} \
         and (i.known_messages is null or i.known_messages = f.message_count) and (i.owner is null or exists ( \
         select 1 from {replicas} as r where r.id = i.owner and {now} - r.heartbeat_at <= r.lease)) \
         returning type_id, instance_id",
};

/// Removals; answers the instances that were as they had been read.
pub(crate) const DELETE: Shape = Shape {
    columns: Columns("in_type text, in_id text, epoch number, created_at number"),
    template: "{rows}{delete} returning type_id, instance_id",
};

/// Messages at their places, of instances that are locked or were just made.
pub(crate) const ADD: Shape = Shape {
    columns: Columns(
        "in_type text, in_id text, position number, name text, payload text, payload_version number, \
         message_key text",
    ),
    template: "{rows}insert into {messages} (type_id, instance_id, position, name, payload, payload_version, \
         message_key, sent_at) select i.in_type, i.in_id, i.position, i.name, i.payload, i.payload_version, \
         i.message_key, {now} from i{clock} where true returning type_id, instance_id",
};

/// All messages of instances that are locked.
pub(crate) const CLEAR: Shape = Shape {
    columns: Columns("in_type text, in_id text"),
    template: "{rows}{clear} returning type_id, instance_id",
};

/// The messages of instances after a position, at most `most` in all.
pub(crate) const MESSAGES: Shape = Shape {
    columns: Columns("in_type text, in_id text, known number, most number"),
    template: "{rows}select {message_columns} from i cross join {messages} as m \
         where m.type_id = i.in_type and m.instance_id = i.in_id and m.position > i.known \
         order by m.type_id, m.instance_id, m.position limit (select max(i.most) from i)",
};

/// Whole instances by their ids.
pub(crate) const READ: Shape = Shape {
    columns: Columns("in_type text, in_id text"),
    template: "{rows}select {columns} from i cross join {functions} as f where {same}",
};

/// The replicas that are alive, with what they can run.
const REPLICAS: &str = "{with_clock}select r.id, r.lease, r.host, r.pid, r.app_version, r.started_at, \
     r.heartbeat_at, t.type_id, t.version, t.lease, t.reads_param, t.reads_scrapbook from {replicas} as r \
     left join {replica_types} as t on t.replica_id = r.id{cross_clock} \
     where {now} - r.heartbeat_at <= r.lease order by r.started_at, r.id, t.position";

/// A replica that joins, alive from now on.
pub(crate) const JOIN: Shape = Shape {
    columns: Columns("replica_id text, lease number, host text, pid number, app_version text"),
    template: "{rows}insert into {replicas} (id, lease, host, pid, app_version, started_at, heartbeat_at) \
         select i.replica_id, i.lease, i.host, i.pid, i.app_version, {now}, {now} from i{clock} where true returning id",
};

/// What a replica that joins can run.
pub(crate) const JOIN_TYPES: Shape = Shape {
    columns: Columns(
        "replica_id text, position number, type_id text, version number, lease number, reads_param number, \
         reads_scrapbook number",
    ),
    template: "{rows}insert into {replica_types} (replica_id, position, type_id, version, lease, reads_param, \
         reads_scrapbook) select i.replica_id, i.position, i.type_id, i.version, i.lease, i.reads_param, \
         i.reads_scrapbook from i where true returning replica_id",
};

/// A sign of life; answers the replica if its lease had not ended.
pub(crate) const BEAT: Shape = Shape {
    columns: Columns("replica_id text"),
    template: "{rows}update {replicas} as r set heartbeat_at = {now} from i{clock} \
         where r.id = i.replica_id and {now} - r.heartbeat_at <= r.lease returning id",
};

/// A replica that leaves; what it could run goes with it.
pub(crate) const LEAVE: Shape = Shape {
    columns: Columns("replica_id text"),
    template: "{rows}delete from {replicas} where id in (select i.replica_id from i) returning id",
};

/// The table of the versions of the schema.
const SCHEMA: &str = "create table if not exists {schema} ( \
     /* the version that a step of the schema led to */ version {number} not null primary key, \
     /* when it was applied */ applied_at {number} not null){strict}";

/// Whether there are tables at all.
const EXISTS: &str = "select {exists}";

const RECORDED: &str = "select coalesce(max(version), 0) from {schema}";

/// A step of the schema that was done.
const RECORD: Shape = Shape {
    columns: Columns("version number"),
    template: "{rows}insert into {schema} (version, applied_at) select i.version, {now} from i{clock} where true \
         returning version",
};

/// How a database is asked for the version of its tables.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) prefix: Prefix,
    pub(crate) exists: Sql,
    pub(crate) recorded: Sql,
}

impl Versions {
    pub(crate) fn new(prefix: &Prefix, dialect: &Dialect) -> Self {
        Self { prefix: prefix.clone(), exists: dialect.sql(EXISTS), recorded: dialect.sql(RECORDED) }
    }
}

/// The statements above with their table names, in the form that a database gives them.
#[derive(Debug)]
pub(crate) struct Common<S> {
    pub(crate) versions: Versions,
    dialect: Dialect,
    pub(crate) create: S,
    pub(crate) save: S,
    pub(crate) finish: S,
    pub(crate) cancel: S,
    pub(crate) edit: S,
    pub(crate) delete: S,
    pub(crate) add: S,
    pub(crate) clear: S,
    pub(crate) read: S,
    pub(crate) messages: S,
    pub(crate) signs: Signs<S>,
    pub(crate) replicas: Sql,
    pub(crate) schema: Sql,
    pub(crate) record: S,
}

impl<S> Common<S> {
    pub(crate) fn new(prefix: &Prefix, dialect: Dialect, form: impl Fn(&Dialect, &Shape) -> S) -> Self {
        let statement = |shape| form(&dialect, shape);
        Self {
            versions: Versions::new(prefix, &dialect),
            create: statement(&CREATE),
            save: statement(&SAVE),
            finish: statement(&FINISH),
            cancel: statement(&CANCEL),
            edit: statement(&EDIT),
            delete: statement(&DELETE),
            add: statement(&ADD),
            clear: statement(&CLEAR),
            read: statement(&READ),
            messages: statement(&MESSAGES),
            signs: Signs {
                join: statement(&JOIN),
                join_types: statement(&JOIN_TYPES),
                beat: statement(&BEAT),
                leave: statement(&LEAVE),
            },
            replicas: dialect.sql(REPLICAS),
            schema: dialect.sql(SCHEMA),
            record: statement(&RECORD),
            dialect,
        }
    }

    pub(crate) fn list(&self, filter: &Filter) -> Sql {
        list(&self.dialect, filter)
    }

    /// The script of a step of the schema.
    pub(crate) fn step(&self, script: &'static str) -> Sql {
        self.dialect.sql(script)
    }
}

/// What a listing asks for.
const LIST: &str = "select {columns} from {functions} as f where true";

/// The same, of what is due and no live replica takes. `{moment}` is the time, also where it is bound: as the first value.
const STUCK: &str = "{with_moment}select {columns} from {functions} as f{cross_moment} \
     where f.status in (1, 2) and f.due_at <= {moment} and not exists ( \
     select 1 from {replica_types} as t join {replicas} as r on r.id = t.replica_id \
     where t.type_id = f.type_id and t.version = f.version and f.param_version <= t.reads_param \
     and coalesce(f.scrapbook_version, 0) <= t.reads_scrapbook and {moment} - r.heartbeat_at <= r.lease)";

/// The conditions of a listing, for those parts of a filter that are given.
///
/// `{next}` is the next placeholder.
pub(crate) fn list(dialect: &Dialect, filter: &Filter) -> Sql {
    let mut parts = vec![if filter.stuck { STUCK } else { LIST }];
    if filter.type_id.is_some() {
        parts.push(" and f.type_id = {next}");
    }
    if filter.status.is_some() {
        parts.push(" and f.status = {next}");
    }
    if filter.owner.is_some() {
        // Only what is executing has an owner; said here, the index on owners can be used.
        parts.push(" and f.owner = {next} and f.status = 0");
    }
    if filter.after.is_some() {
        parts.push(" and {after}");
    }
    parts.push(" order by f.type_id, f.instance_id limit {next}");
    dialect.join(parts)
}
