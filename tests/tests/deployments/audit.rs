//! What the database itself has seen: every update of an instance, with the replica that made it and its build.

use resilient_tests::{Kind, TestStore};
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, PgConnection, Row as _, SqliteConnection};

/// Triggers that write down every update, in the order in which they happened.
pub(crate) struct Audit {
    kind: Kind,
    url: String,
    prefix: String,
}

/// One update of an instance: by the replica that it belonged to before or after it, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) id: (String, String),
    pub(crate) build: Option<String>,
    pub(crate) before: Versions,
    pub(crate) after: Versions,
}

/// The versions of an instance; 0 stands for no scrapbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) function: u32,
    pub(crate) param: u32,
    pub(crate) scrapbook: u32,
}

/// The tables of the audit, in words that all databases take.
const TABLES: [&str; 2] = [
    "create table #_builds (replica varchar(100), build varchar(100))",
    "create table #_audit (seq {serial}, type_id varchar(200), instance_id varchar(200), owner varchar(100), \
     version bigint, param_version bigint, scrapbook_version bigint, \
     new_version bigint, new_param_version bigint, new_scrapbook_version bigint)",
];

const JOINED: &str = "insert into #_builds (replica, build) values ({new.id}, new.app_version)";

const UPDATED: &str = "insert into #_audit (type_id, instance_id, owner, version, param_version, scrapbook_version, \
     new_version, new_param_version, new_scrapbook_version) \
     values ({new.type_id}, {new.instance_id}, coalesce({new.owner}, {old.owner}), \
     old.version, old.param_version, coalesce(old.scrapbook_version, 0), \
     new.version, new.param_version, coalesce(new.scrapbook_version, 0))";

const READ: &str = "select concat_ws(' ', a.type_id, a.instance_id, coalesce(b.build, '-'), a.version, a.param_version, \
     a.scrapbook_version, a.new_version, a.new_param_version, a.new_scrapbook_version) \
     from #_audit as a left join #_builds as b on b.replica = a.owner order by a.seq";

impl Audit {
    /// Begins to watch the tables of this store.
    pub(crate) async fn begin(store: &TestStore) -> Self {
        let url = store.url().expect("processes share a store by its URL").to_owned();
        let audit = Self { kind: store.kind(), url, prefix: store.prefix().to_owned() };
        for table in TABLES {
            audit.execute(table).await;
        }
        for (name, event, insert) in
            [("joined", "insert on #_replicas", JOINED), ("updated", "update on #_functions", UPDATED)]
        {
            for statement in audit.trigger(name, event, insert) {
                audit.execute(&statement).await;
            }
        }
        audit
    }

    fn trigger(&self, name: &str, event: &str, insert: &str) -> Vec<String> {
        let head = format!("create trigger #_{name} after {event} for each row");
        match self.kind {
            Kind::Postgres => vec![
                format!(
                    "create function #_{name}() returns trigger language plpgsql as \
                     $$ begin {insert}; return null; end $$"
                ),
                format!("{head} execute function #_{name}()"),
            ],
            Kind::Sqlite => vec![format!("{head} begin {insert}; end")],
            _ => vec![format!("{head} {insert}")],
        }
    }

    /// Every update so far.
    pub(crate) async fn updates(&self) -> Vec<Update> {
        self.ask(READ).await.iter().map(|line| Update::read(line)).collect()
    }

    fn sql(&self, sql: &str) -> AssertSqlSafe<String> {
        let serial = match self.kind {
            Kind::Postgres => "bigint generated always as identity primary key",
            Kind::Sqlite => "integer primary key",
            _ => "bigint auto_increment primary key",
        };
        let mut sql = sql.replace('#', &self.prefix).replace("{serial}", serial);
        // Ids are bytes there.
        let id = if self.kind == Kind::MySql { "convert(@ using utf8mb4)" } else { "@" };
        for name in ["new.id", "new.type_id", "new.instance_id", "new.owner", "old.owner"] {
            sql = sql.replace(&format!("{{{name}}}"), &id.replace('@', name));
        }
        AssertSqlSafe(sql)
    }

    async fn execute(&self, sql: &str) {
        let sql = sqlx::raw_sql(self.sql(sql));
        let done = match self.kind {
            Kind::Postgres => connect::<PgConnection>(&self.url).await.execute(sql).await.map(drop),
            Kind::Sqlite => connect::<SqliteConnection>(&self.url).await.execute(sql).await.map(drop),
            _ => connect::<MySqlConnection>(&self.url).await.execute(sql).await.map(drop),
        };
        done.expect("the database takes the audit");
    }

    /// The answer's first column.
    async fn ask(&self, sql: &str) -> Vec<String> {
        let query = self.sql(sql);
        match self.kind {
            Kind::Postgres => {
                let rows = sqlx::query(query).fetch_all(&mut connect::<PgConnection>(&self.url).await).await;
                rows.expect("the audit is there").iter().map(|row| row.get(0)).collect()
            }
            Kind::Sqlite => {
                let rows =
                    sqlx::query(query).fetch_all(&mut connect::<SqliteConnection>(&self.url).await).await;
                rows.expect("the audit is there").iter().map(|row| row.get(0)).collect()
            }
            _ => {
                let rows =
                    sqlx::query(query).fetch_all(&mut connect::<MySqlConnection>(&self.url).await).await;
                rows.expect("the audit is there").iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

async fn connect<C: sqlx::Connection>(url: &str) -> C {
    C::connect(url).await.expect("the database is there")
}

impl Update {
    fn read(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let [type_id, instance_id, build, numbers @ ..] = words.as_slice() else {
            panic!("no update: {line}")
        };
        let numbers: Vec<u32> = numbers.iter().map(|number| number.parse().expect("a version")).collect();
        let [before, after] = [&numbers[..3], &numbers[3..]].map(|numbers| match numbers {
            &[function, param, scrapbook] => Versions { function, param, scrapbook },
            _ => panic!("no versions: {line}"),
        });
        let build = (*build != "-").then(|| (*build).to_owned());
        Self { id: ((*type_id).to_owned(), (*instance_id).to_owned()), build, before, after }
    }
}
