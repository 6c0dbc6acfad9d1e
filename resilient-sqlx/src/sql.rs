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

    /// As a question how it would be run.
    #[cfg(all(test, feature = "sqlite"))]
    pub(crate) fn explained(&self) -> sqlx::RawSql {
        sqlx::raw_sql(AssertSqlSafe(format!("explain query plan {}", self.0)))
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
    /// The words of a database, and the table names behind them, in quotes that every session understands.
    pub(crate) fn new(
        prefix: &Prefix,
        placeholder: &'static str,
        quote: char,
        words: &[&[(&'static str, &'static str)]],
    ) -> Self {
        let words = words.iter().copied().flatten();
        let mut words: Vec<_> = words.map(|(name, text)| (*name, (*text).to_owned())).collect();
        words.push(("{functions}", "{quote}{prefix}_functions{quote}".to_owned()));
        words.push(("{messages}", "{quote}{prefix}_messages{quote}".to_owned()));
        words.push(("{replicas}", "{quote}{prefix}_replicas{quote}".to_owned()));
        words.push(("{replica_types}", "{quote}{prefix}_replica_types{quote}".to_owned()));
        words.push(("{schema}", "{quote}{prefix}_schema{quote}".to_owned()));
        words.push(("{quote}", quote.to_string()));
        words.push(("{prefix}", prefix.as_str().to_owned()));
        Self { placeholder, words }
    }

    /// The same words, one of them with another meaning.
    pub(crate) fn saying(&self, name: &str, meaning: &Rows) -> Self {
        let mut other = self.clone();
        for (_, word) in other.words.iter_mut().filter(|(word, _)| *word == name) {
            word.clone_from(&meaning.0);
        }
        other
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
        let text = self.number(&text);
        debug_assert!(!text.contains('{'), "a word is unknown, or used by one after it: {text}");
        Sql(text.into())
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

/// For databases whose statements on a single row do better without rows of their own.
#[cfg(feature = "mysql")]
impl Sql {
    /// The statement with a placeholder in the place of each column of `i`, and these columns in their order.
    pub(crate) fn with_values(&self, column: impl Fn(&str) -> Option<usize>) -> (Self, Vec<usize>) {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (mut text, mut order, mut rest) = (String::new(), Vec::new(), &*self.0);
        while let Some(at) = rest.find("i.") {
            let (before, found) = rest.split_at(at);
            let (mark, after) = found.split_at(2);
            let (name, beyond) = after.split_at(after.find(|next| !is_letter(next)).unwrap_or(after.len()));
            let place = if before.ends_with(is_letter) { None } else { column(name) };
            text.push_str(before);
            text.push_str(if place.is_some() { "?" } else { mark });
            rest = if place.is_some() { beyond } else { after };
            order.extend(place);
        }
        text.push_str(rest);
        (Self(text.into()), order)
    }
}

#[cfg(all(test, feature = "mysql"))]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_the_place_of_columns() {
        let sql = Sql("update t set a = i.a, b = i.b + i.a where hi.a = i.c and i.b_2 = 'i.'".into());
        let (sql, order) = sql.with_values(|name| ["a", "b"].iter().position(|column| *column == name));
        assert_eq!(&*sql.0, "update t set a = ?, b = ? + ? where hi.a = i.c and i.b_2 = 'i.'");
        assert_eq!(order, [0, 1, 0]);
    }
}
