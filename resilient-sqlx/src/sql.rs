//! Statements as text, and the one place where text becomes a statement.
//!
//! All of it is put together from constants of this crate and a table prefix that was checked; every value is bound.

use std::sync::Arc;

use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database};

use crate::schema::Prefix;

/// A finished statement.
#[derive(Debug, Clone)]
pub(crate) struct Sql(Arc<str>);

impl Sql {
    /// As a prepared statement, cached on its connection.
    pub(crate) fn query<DB: Database>(&self) -> Query<'static, DB, DB::Arguments> {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.0)))
    }

    /// As a script of many statements without values.
    pub(crate) fn script(&self) -> sqlx::RawSql {
        sqlx::raw_sql(AssertSqlSafe(Arc::clone(&self.0)))
    }
}

/// The words of one database: what `{name}` in a template stands for.
///
/// A word may use words that come after it.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    /// The first placeholder of a statement: `$1`, `?1` or `?`.
    placeholder: &'static str,
    words: Vec<(&'static str, String)>,
}

impl Dialect {
    /// The words of a database, and the table names behind them.
    pub(crate) fn new(
        prefix: &Prefix,
        placeholder: &'static str,
        words: &[&[(&'static str, &'static str)]],
    ) -> Self {
        let words = words.iter().copied().flatten();
        let mut words: Vec<_> = words.map(|(name, text)| (*name, (*text).to_owned())).collect();
        words.push(("{functions}", "{quote}{prefix}_functions{quote}".to_owned()));
        words.push(("{replicas}", "{quote}{prefix}_replicas{quote}".to_owned()));
        words.push(("{replica_types}", "{quote}{prefix}_replica_types{quote}".to_owned()));
        words.push(("{schema}", "{quote}{prefix}_schema{quote}".to_owned()));
        words.push(("{quote}", "\"".to_owned()));
        words.push(("{prefix}", prefix.as_str().to_owned()));
        Self { placeholder, words }
    }

    /// The statement of a template.
    pub(crate) fn sql(&self, template: &'static str) -> Sql {
        self.fill(template.to_owned())
    }

    /// The statement of several templates, one after the other.
    pub(crate) fn join(&self, templates: impl IntoIterator<Item = &'static str>) -> Sql {
        self.fill(templates.into_iter().collect())
    }

    /// The statement of a template whose `{rows}` is made of constants.
    pub(crate) fn with_rows(&self, template: &'static str, rows: &Rows) -> Sql {
        self.fill(template.replace("{rows}", &rows.0))
    }

    fn fill(&self, mut text: String) -> Sql {
        for (name, word) in &self.words {
            if text.contains(name) {
                text = text.replace(name, word);
            }
        }
        Sql(self.number(&text).into())
    }

    /// Puts placeholders with running numbers in the place of `{next}`.
    fn number(&self, text: &str) -> String {
        let mut parts = text.split("{next}");
        let mut numbered = parts.next().unwrap_or_default().to_owned();
        for (number, part) in (1..).zip(parts) {
            numbered.push_str(&self.placeholder.replace('1', &i32::to_string(&number)));
            numbered.push_str(part);
        }
        numbered
    }
}

/// What `{rows}` stands for: constants and running numbers, so no value can get into a statement this way either.
#[derive(Debug)]
pub(crate) struct Rows(String);

/// A part of [`Rows`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece {
    Text(&'static str),
    Number(usize),
}

impl FromIterator<Piece> for Rows {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Number(number) => text.push_str(&number.to_string()),
            }
        }
        Self(text)
    }
}
