//! The SQL of MySQL and MariaDB.
//!
//! Neither `update … returning` nor `insert … on conflict do nothing` exists here, and the number of affected rows does
//! not tell which ones they were. So a statement over many rows is all or nothing: a row whose guard does not hold
//! makes it fail with [`GUARD_ERROR`], by an addition that overflows, and the caller looks at the rows one by one.
//! `insert ignore` cuts what is too long, and `on duplicate key update` does not tell who created a row.
//!
//! `set` clauses are evaluated from left to right: what reads a column stands before what writes it.

use resilient::Filter;

use super::append::{GROW, GROW_COLUMNS, LOOK, LOOK_COLUMNS};
use super::claim::{DUE, IS_DUE, TAKE, TAKE_COLUMNS};
use super::expire::{DELETE_ENDED, ENDED, ENDED_COLUMNS, LOCK_ENDED};
use super::rows::ByRows;
use crate::backend::Signs;
use crate::schema::{Migration, Prefix};
use crate::sql::{Dialect, Piece, Rows, Sql};
use crate::statements::{self, Versions, WORDS};

/// `BIGINT value is out of range`: the guard of one of many rows did not hold.
pub(super) const GUARD_ERROR: u16 = 1690;

/// The steps of the schema.
pub(super) const MIGRATIONS: &[Migration] = &[
    (1, include_str!("../../migrations/mysql/0001_functions.sql")),
    (2, include_str!("../../migrations/mysql/0002_messages.sql")),
    (3, include_str!("../../migrations/mysql/0003_cancel.sql")),
    (4, include_str!("../../migrations/mysql/0004_parent.sql")),
];

/// Words that use shared ones.
const OWN_WORDS: &[(&str, &str)] = &[
    (
        "{create_columns}",
        "type_id, instance_id, status, epoch, owner, attempts, crashes, due_at, version, param, param_version, \
         scrapbook, scrapbook_version, journal, message_count, parent_type_id, parent_instance_id, created_at, \
         updated_at",
    ),
    (
        "{create_values}",
        "i.in_type, i.in_id, i.status, 0, i.owner, i.attempts, 0, {due}, i.version, i.param, i.param_version, \
         i.scrapbook, i.scrapbook_version, i.journal, i.message_count, i.parent_type_id, i.parent_instance_id, \
         {now}, {now}",
    ),
    ("{save}", "{keep_progress}, f.saves = i.saves, f.crashes = 0, f.updated_at = {now}"),
    ("{save_guard}", "{owned} and {not_behind} and i.saves > f.saves"),
    (
        "{finish}",
        "f.attempts = if(i.hand_over in (1, 3), greatest(f.attempts - 1, 0), f.attempts), \
         f.crashes = case i.hand_over when 0 then 0 when 2 then {one_crash_more} else f.crashes end, \
         f.due_at = {due}, f.reason = i.reason, {keep_progress}, \
         f.result = i.result, f.result_version = i.result_version, f.failure = i.failure, \
         f.completed_at = if(i.status >= 3, {now}, null), {step}, f.owner = null, f.status = i.status",
    ),
    (
        "{finish_guard}",
        "{owned} and {not_behind} and (i.message_count is null or i.message_count = f.message_count) and {may_wait}",
    ),
    // Which assignment comes first does not matter: what waits is told by its having no owner.
    (
        "{cancel}",
        "f.due_at = null, f.reason = null, f.failure = if(f.owner is null, i.failure, null), \
         f.completed_at = if(f.owner is null, {now}, null), f.updated_at = {now}, f.cancel_requested = 1, \
         f.epoch = if(f.owner is null, {next_epoch}, f.epoch), f.status = if(f.owner is null, 4, f.status)",
    ),
    (
        "{run}",
        "f.attempts = {one_attempt_more}, f.due_at = null, f.reason = null, f.updated_at = i.now, f.epoch = {next_epoch}, \
         f.owner = i.owner, f.status = 0",
    ),
    (
        "{keep_progress}",
        "f.scrapbook = coalesce(i.scrapbook, f.scrapbook), \
         f.scrapbook_version = coalesce(i.scrapbook_version, f.scrapbook_version), \
         f.journal = coalesce(i.journal, f.journal)",
    ),
    (
        "{message_values}",
        "i.in_type, i.in_id, i.position, i.name, i.payload, i.payload_version, i.message_key, {now}",
    ),
    ("{step}", "f.updated_at = {now}, f.epoch = {next_epoch}"),
    ("{unless}", "where length(i.in_type) = 0 or if("),
    ("{else_fail}", ", 1, 9223372036854775807 + length(i.in_type))"),
    (
        "{fits}",
        "f.status in (1, 2) and f.param_version <= ? \
         and (f.scrapbook_version is null or f.scrapbook_version <= ?)",
    ),
    (
        "{is_dead}",
        "not exists (select 1 from {replicas} as r join {replica_types} as t on t.replica_id = r.id \
         where r.id = d.owner and t.type_id = d.type_id and t.version = d.version \
         and {now} - r.heartbeat_at <= t.lease)",
    ),
    ("{one_attempt_more}", "least(f.attempts + 1, 4294967295)"),
    ("{one_crash_more}", "least(f.crashes + 1, 4294967295)"),
    (
        "{columns}",
        "convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4), f.status, f.epoch, \
         convert(f.owner using utf8mb4), f.attempts, f.crashes, f.due_at, f.version, f.param, f.param_version, \
         f.scrapbook, f.scrapbook_version, f.result, f.result_version, f.failure, f.message_count, f.created_at, \
         f.updated_at, f.completed_at, f.journal, f.reason, f.saves, f.cancel_requested, \
         convert(f.parent_type_id using utf8mb4), convert(f.parent_instance_id using utf8mb4)",
    ),
    (
        "{message_columns}",
        "convert(m.type_id using utf8mb4), convert(m.instance_id using utf8mb4), m.position, m.name, m.payload, \
         m.payload_version, convert(m.message_key using utf8mb4), m.sent_at",
    ),
    // As a comparison of pairs, this would be a walk from the first row on.
    ("{after}", "(f.type_id > {next} or f.type_id = {next} and f.instance_id > {next})"),
    ("{overview}", "{quote}{prefix}_overview{quote}"),
    (
        "{exists}",
        "count(*) from information_schema.tables where table_schema = database() and table_name = '{prefix}_schema'",
    ),
    ("{epoch}", "timestamp '1970-01-01 00:00:00.000000'"),
];

/// Time, in words that come after the shared ones.
const LATE_WORDS: &[(&str, &str)] = &[
    ("{with_moment}", ""),
    ("{cross_moment}", ""),
    ("{moment}", "{now}"),
    ("{now}", "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))"),
    // While a statement waits for a lock, `utc_timestamp` stands still and this goes on.
    ("{this_moment}", "timestampdiff(microsecond, '1970-01-01', sysdate(6))"),
    ("{least}", "least"),
    ("{greatest}", "greatest"),
];

/// A statement over rows `i`, in one form for a single row and one for many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    /// For one row: its columns stand where they are needed, and the number of affected rows is the answer.
    pub(super) one: &'static str,
    /// For many rows.
    pub(super) many: Option<&'static str>,
}

const CREATE: Template = Template {
    one: "insert into {functions} ({create_columns}) values ({create_values})",
    many: Some(
        "insert into {functions} ({create_columns}) select {create_values} from ({rows}) as i \
         where length(i.in_type) > 0",
    ),
};

const SAVE: Template = Template {
    one: "update {functions} as f set {save} where {save_guard}",
    many: Some(
        "update ({rows}) as i left join {functions} as f on {same} set {save} {unless}{save_guard}{else_fail}",
    ),
};

const FINISH: Template = Template {
    one: "update {functions} as f set {finish} where {finish_guard}",
    many: Some(
        "update ({rows}) as i left join {functions} as f on {same} set {finish} {unless}{finish_guard}{else_fail}",
    ),
};

const CANCEL: Template = Template {
    one: "update {functions} as f set {cancel} where {same} and f.status <= 2",
    many: Some(
        "update ({rows}) as i left join {functions} as f on {same} set {cancel} {unless}f.status <= 2{else_fail}",
    ),
};

const READ: Template = Template {
    one: "select {columns} from {functions} as f where {same}",
    many: Some("select {columns} from ({rows}) as i straight_join {functions} as f on {same}"),
};

/// Reads rows and locks them, in the order in which they are named.
const LOCK: Template = Template {
    one: "select {columns} from {functions} as f where {same} for update",
    many: Some("select {columns} from ({rows}) as i straight_join {functions} as f on {same} for update"),
};

/// Reads rows as they were committed last, whatever the transaction has seen before.
///
/// Where a create has found its id taken, the server has locked the row in the same way: the one that is there stays.
const SHARE: Template = Template {
    one: "select {columns} from {functions} as f where {same} lock in share mode",
    many: Some(
        "select {columns} from ({rows}) as i straight_join {functions} as f on {same} lock in share mode",
    ),
};

const EDIT: Template = Template {
    one: "update {functions} as f set \
     f.attempts = if(i.status <=> 0, {one_attempt_more}, f.attempts), f.crashes = 0, \
     f.due_at = case when i.status is not null then {due} \
     when f.status = 0 or f.status = 2 and i.message_count is not null then {now} else f.due_at end, \
     f.reason = if(i.status is null and f.status <> 0, f.reason, null), \
     f.message_count = coalesce(i.message_count, f.message_count), \
     f.param = coalesce(i.param, f.param), f.param_version = coalesce(i.param_version, f.param_version), \
     {keep_progress}, f.result = if(i.status is null, f.result, i.result), \
     f.result_version = if(i.status is null, f.result_version, i.result_version), \
     f.failure = if(i.status is null, f.failure, i.failure), \
     f.cancel_requested = if(i.status is null, f.cancel_requested, 0), \
     f.completed_at = case when i.status is null then f.completed_at when i.status >= 3 then {now} end, {step}, \
     f.owner = i.owner, f.status = coalesce(i.status, if(f.status = 0, 1, f.status)) \
     where {as_read} and coalesce(i.known_messages, f.message_count) = f.message_count \
     and (i.owner is null or exists ( \
     select 1 from {replicas} as r where r.id = i.owner and {now} - r.heartbeat_at <= r.lease))",
    many: None,
};

const DELETE: Template = Template {
    one: "delete from {functions} where type_id = i.in_type and instance_id = i.in_id and epoch = i.epoch \
         and created_at = i.created_at",
    many: None,
};

const ADD: Template = Template {
    one: "insert into {messages} (type_id, instance_id, position, name, payload, payload_version, message_key, sent_at) \
         values ({message_values})",
    many: Some(
        "insert into {messages} (type_id, instance_id, position, name, payload, payload_version, message_key, sent_at) \
         select {message_values} from ({rows}) as i where length(i.in_type) > 0",
    ),
};

const CLEAR: Template = Template {
    one: "delete from {messages} where type_id = i.in_type and instance_id = i.in_id",
    many: None,
};

/// A join reads the whole log of an instance, and not a range of it; so it begins with those that have something new.
const MESSAGES: Template = Template {
    one: "select {message_columns} from {messages} as m where m.type_id = i.in_type and m.instance_id = i.in_id \
         and m.position > i.known order by m.position limit ?",
    many: Some(
        "select {message_columns} from ({rows}) as i \
         straight_join {functions} as f on {same} and f.message_count > i.known \
         straight_join {messages} as m on m.type_id = f.type_id and m.instance_id = f.instance_id \
         and m.position > i.known \
         order by m.type_id, m.instance_id, m.position limit ?",
    ),
};

/// Owners of instances that are not live owners of them, and replicas whose lease has ended.
const DEAD: &str = "select convert(d.owner using utf8mb4), 1 from \
     (select distinct owner, type_id, version from {functions} where owner is not null) as d where {is_dead} \
     union select convert(r.id using utf8mb4), 0 from {replicas} as r where {now} - r.heartbeat_at > r.lease";

/// Makes instances without a live owner due; the owners go in between.
const RELEASE: [&str; 2] = [
    "update {functions} as d force index (executing) set d.crashes = least(d.crashes + 1, 4294967295), \
     d.due_at = {now}, d.reason = null, d.updated_at = {now}, d.epoch = least(d.epoch, 9223372036854775806) + 1, d.owner = null, \
     d.status = 1 where d.status = 0 and d.owner ",
    " and {is_dead} limit 50000",
];

const FORGET: &str = "delete r, t from {replicas} as r left join {replica_types} as t on t.replica_id = r.id \
     where {now} - r.heartbeat_at > r.lease";

const REPLICAS: &str = "select convert(r.id using utf8mb4), r.lease, r.host, r.pid, r.app_version, \
     r.started_at, r.heartbeat_at, convert(t.type_id using utf8mb4), t.version, t.lease, t.reads_param, \
     t.reads_scrapbook from {replicas} as r \
     left join {replica_types} as t on t.replica_id = r.id where {now} - r.heartbeat_at <= r.lease \
     order by r.started_at, r.id, t.position";

const JOIN: Template = Template {
    one: "insert into {replicas} (id, lease, host, pid, app_version, started_at, heartbeat_at) \
     values (i.replica_id, i.lease, i.host, i.pid, i.app_version, {now}, {now})",
    many: None,
};

const JOIN_TYPES: Template = Template {
    one: "insert into {replica_types} (replica_id, position, type_id, version, lease, reads_param, reads_scrapbook) \
         values (i.replica_id, i.position, i.type_id, i.version, i.lease, i.reads_param, i.reads_scrapbook)",
    many: Some(
        "insert into {replica_types} (replica_id, position, type_id, version, lease, reads_param, reads_scrapbook) \
         select i.replica_id, i.position, i.type_id, i.version, i.lease, i.reads_param, i.reads_scrapbook \
         from ({rows}) as i where length(i.replica_id) > 0",
    ),
};

const BEAT: Template = Template {
    one: "update {replicas} set heartbeat_at = {this_moment} \
         where id = i.replica_id and {this_moment} - heartbeat_at <= lease",
    many: None,
};

const LEAVE: Template = Template {
    one: "delete r, t from {replicas} as r left join {replica_types} as t on t.replica_id = r.id \
         where r.id = i.replica_id",
    many: None,
};

/// A migration is not hurried. A connection that is silent is one of a machine that is gone, and holds others up.
pub(super) const MIGRATION_SETTINGS: &str = "set session wait_timeout = 60 /*M! , max_statement_time = 0 */";

/// While one replica migrates, the others wait, for a day: a change of the schema is not part of a transaction here.
const LOCK_SCHEMA: &str =
    "select get_lock(concat('resilient ', md5(concat(database(), '/{prefix}'))), 86400)";

const SCHEMA: &str = "create table if not exists {schema} ( \
     version bigint not null primary key comment 'the version that a step of the schema led to', \
     applied_at bigint not null comment 'when it was applied') engine = InnoDB";

const RECORD: &str = "insert into {schema} (version, applied_at) values (?, {now})";

/// Answers 1 when rows are counted that were found, and 0 when only those are that were changed.
const COUNT_FOUND: &str = "update {schema} set applied_at = applied_at where version = ?";

const NOT_INNODB: &str = "select table_name from information_schema.tables where table_schema = database() \
     and table_name in ('{prefix}_functions', '{prefix}_replicas', '{prefix}_replica_types', '{prefix}_schema', \
     '{prefix}_messages') \
     and engine <> 'InnoDB' limit 1";

/// The most owners that are named in a release.
pub(super) const MOST_OWNERS: usize = 64;

/// All statements, with their table names.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) versions: Versions,
    dialect: Dialect,
    pub(super) create: ByRows,
    pub(super) save: ByRows,
    pub(super) finish: ByRows,
    pub(super) cancel: ByRows,
    pub(super) edit: ByRows,
    pub(super) delete: ByRows,
    pub(super) add: ByRows,
    pub(super) clear: ByRows,
    pub(super) look: ByRows,
    pub(super) grow: ByRows,
    pub(super) take: ByRows,
    pub(super) read: ByRows,
    pub(super) messages: ByRows,
    pub(super) lock: ByRows,
    pub(super) lock_ended: ByRows,
    pub(super) delete_ended: ByRows,
    pub(super) share: ByRows,
    pub(super) signs: Signs<ByRows>,
    pub(super) due: Sql,
    pub(super) dead: Sql,
    pub(super) forget: Sql,
    pub(super) replicas: Sql,
    pub(super) lock_schema: Sql,
    pub(super) schema: Sql,
    pub(super) record: Sql,
    pub(super) count_found: Sql,
    pub(super) not_innodb: Sql,
}

impl Statements {
    pub(super) fn new(prefix: &Prefix) -> Self {
        let dialect = Dialect::new(prefix, "?", '`', &[OWN_WORDS, WORDS, LATE_WORDS]);
        let by_rows = |columns, template| ByRows::new(&dialect, columns, template);
        Self {
            versions: Versions::new(prefix, &dialect),
            create: by_rows(statements::CREATE.columns, CREATE),
            save: by_rows(statements::SAVE.columns, SAVE),
            finish: by_rows(statements::FINISH.columns, FINISH),
            cancel: by_rows(statements::CANCEL.columns, CANCEL),
            edit: by_rows(statements::EDIT.columns, EDIT),
            delete: by_rows(statements::DELETE.columns, DELETE),
            add: by_rows(statements::ADD.columns, ADD),
            clear: by_rows(statements::CLEAR.columns, CLEAR),
            look: by_rows(LOOK_COLUMNS, LOOK),
            grow: by_rows(GROW_COLUMNS, GROW),
            take: by_rows(TAKE_COLUMNS, TAKE),
            read: by_rows(statements::READ.columns, READ),
            messages: by_rows(statements::MESSAGES.columns, MESSAGES),
            lock: by_rows(statements::READ.columns, LOCK),
            lock_ended: by_rows(ENDED_COLUMNS, LOCK_ENDED),
            delete_ended: by_rows(statements::READ.columns, DELETE_ENDED),
            share: by_rows(statements::READ.columns, SHARE),
            signs: Signs {
                join: by_rows(statements::JOIN.columns, JOIN),
                join_types: by_rows(statements::JOIN_TYPES.columns, JOIN_TYPES),
                beat: by_rows(statements::BEAT.columns, BEAT),
                leave: by_rows(statements::LEAVE.columns, LEAVE),
            },
            due: dialect.sql(DUE),
            dead: dialect.sql(DEAD),
            forget: dialect.sql(FORGET),
            replicas: dialect.sql(REPLICAS),
            lock_schema: dialect.sql(LOCK_SCHEMA),
            schema: dialect.sql(SCHEMA),
            record: dialect.sql(RECORD),
            count_found: dialect.sql(COUNT_FOUND),
            not_innodb: dialect.sql(NOT_INNODB),
            dialect,
        }
    }

    pub(super) fn list(&self, filter: &Filter) -> Sql {
        statements::list(&self.dialect, filter)
    }

    pub(super) fn migration(&self, script: &'static str) -> Sql {
        self.dialect.sql(script)
    }

    /// Which of so many kinds have work that is due: their numbers, counted from 0.
    pub(super) fn any_due(&self, kinds: usize) -> Sql {
        let [before, after] = IS_DUE.map(Piece::Text);
        let parts = (0..kinds).flat_map(|kind| {
            let separator = if kind == 0 { "" } else { " union all " };
            [Piece::Text(separator), before, Piece::Number(kind), after]
        });
        self.dialect.with_rows("{rows}", &parts.collect())
    }

    /// What has ended of so many types.
    pub(super) fn ended(&self, types: usize) -> Sql {
        let separator = |number| Piece::Text(if number == 0 { "" } else { " union all " });
        let parts = (0..types).flat_map(|number| [separator(number), Piece::Text(ENDED)]);
        self.dialect.with_rows("{rows}", &parts.collect())
    }

    /// The release of what so many dead owners ran; for more than a statement names, all rows are looked at.
    pub(super) fn release(&self, owners: usize) -> Sql {
        let [before, after] = RELEASE.map(Piece::Text);
        let list = if owners > MOST_OWNERS {
            vec![Piece::Text("is not null")]
        } else {
            let more = (1..owners).map(|_| Piece::Text(", ?"));
            [Piece::Text("in (?")].into_iter().chain(more).chain([Piece::Text(")")]).collect()
        };
        let parts: Rows = [before].into_iter().chain(list).chain([after]).collect();
        self.dialect.with_rows("{rows}", &parts)
    }
}
