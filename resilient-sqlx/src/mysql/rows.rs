//! Statements over rows, and their values.

use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{MySql, MySqlConnection};

use super::statements::{GUARD_ERROR, Template};
use crate::record::{Record, Value};
use crate::sql::{Dialect, Piece, Rows, Sql};
use crate::statements::{Columns, Kind};

/// The rows of the longest statement are two to the power of this.
const SIZES: u32 = 8;

/// So many bytes of values go into one statement, if it is not a single row: servers take packets of 16 MiB and more.
const MOST_BYTES: usize = 4 << 20;

/// A statement over rows, finished for one row and for 2, 4, 8 … rows.
///
/// Between these sizes rows with empty ids fill up, so that a connection keeps few prepared statements.
#[derive(Debug)]
pub(crate) struct ByRows {
    one: Sql,
    /// Which column each placeholder of `one` stands for.
    order: Vec<usize>,
    many: Vec<Sql>,
    kinds: Vec<Kind>,
}

impl ByRows {
    pub(super) fn new(dialect: &Dialect, columns: Columns, template: Template) -> Self {
        let (one, order) = dialect
            .sql(template.one)
            .with_values(|name| columns.each().position(|(column, _)| column == name));
        let many = template.many.map_or_else(Vec::new, |many| {
            (1..=SIZES).map(|size| dialect.with_rows(many, &selects(columns, 1 << size))).collect()
        });
        Self { one, order, many, kinds: columns.each().map(|(_, kind)| kind).collect() }
    }

    /// Cuts records into pieces for one statement each.
    pub(super) fn cut<'a, R: Record + 'a>(
        &self,
        records: impl IntoIterator<Item = &'a R>,
    ) -> Vec<Vec<Vec<Value<'a>>>> {
        self.cut_rows(records.into_iter().map(Record::values))
    }

    /// Cuts rows into pieces for one statement each.
    pub(super) fn cut_rows<'a>(
        &self,
        rows: impl IntoIterator<Item = Vec<Value<'a>>>,
    ) -> Vec<Vec<Vec<Value<'a>>>> {
        let most_rows = 1 << self.many.len();
        let mut pieces: Vec<Vec<Vec<Value<'a>>>> = Vec::new();
        let mut bytes = 0;
        for row in rows {
            bytes += size(&row);
            match pieces.last_mut() {
                Some(piece) if piece.len() < most_rows && bytes <= MOST_BYTES => piece.push(row),
                _ => {
                    bytes = size(&row);
                    pieces.push(vec![row]);
                }
            }
        }
        pieces
    }

    /// The statement with its values.
    pub(super) fn query(&self, rows: &[Vec<Value<'_>>]) -> Query<'static, MySql, MySqlArguments> {
        if let [row] = rows {
            let values = self.order.iter().filter_map(|column| row.get(*column));
            return values.fold(self.one.query(), bind);
        }
        let places = rows.len().next_power_of_two();
        let sql = self.many.iter().zip(1_u32..).find(|(_, size)| 1 << size == places);
        let query = sql.map_or(&self.one, |(sql, _)| sql).query();
        let query = rows.iter().flatten().fold(query, bind);
        let empty = Value::text("");
        (rows.len()..places).flat_map(|_| &self.kinds).fold(query, |query, kind| match kind {
            Kind::Text => bind(query, &empty),
            Kind::Number => query.bind(None::<i64>),
        })
    }

    /// Writes rows; answers whether all of them were written. If not, none was.
    pub(super) async fn write(
        &self,
        connection: &mut MySqlConnection,
        rows: &[Vec<Value<'_>>],
    ) -> Result<bool, sqlx::Error> {
        match self.query(rows).execute(connection).await {
            Ok(done) => Ok(usize::try_from(done.rows_affected()) == Ok(rows.len())),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) if rows.len() > 1 && number(&error) == Some(GUARD_ERROR) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether there is such a row already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    const DUPLICATE: u16 = 1062;
    number(error) == Some(DUPLICATE)
}

/// The number of an error of the server.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

/// `select cast(? as char) as a, ? as b union all select cast(? as char), ?`
///
/// A column of such a union would be at most 65535 bytes wide on MariaDB, which cuts without a word what is longer. What
/// is cast is as wide as it is long.
fn selects(columns: Columns, rows: usize) -> Rows {
    let first = columns.each().enumerate().flat_map(|(index, (name, kind))| {
        let separator = if index == 0 { "select " } else { ", " };
        [Piece::Text(separator), value(kind), Piece::Text(" as "), Piece::Text(name)]
    });
    let others = (1..rows).flat_map(|_| {
        columns.each().enumerate().flat_map(|(index, (_, kind))| {
            let separator = if index == 0 { " union all select " } else { ", " };
            [Piece::Text(separator), value(kind)]
        })
    });
    first.chain(others).collect()
}

fn value(kind: Kind) -> Piece {
    Piece::Text(if kind == Kind::Text { "cast(? as char)" } else { "?" })
}

fn size(row: &[Value<'_>]) -> usize {
    row.iter().map(|value| 8 + value.as_text().map_or(0, str::len)).sum()
}

fn bind(
    query: Query<'static, MySql, MySqlArguments>,
    value: &Value<'_>,
) -> Query<'static, MySql, MySqlArguments> {
    match value {
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Number(number) => query.bind(*number),
    }
}

#[cfg(test)]
mod tests {
    use resilient::FunctionId;
    use sqlx::Execute;

    use super::super::statements::Statements;
    use super::*;
    use crate::schema::Prefix;

    /// A row of text with so many bytes.
    struct Text(String);

    impl Record for Text {
        fn values(&self) -> Vec<Value<'_>> {
            vec![Value::text(self.0.as_str())]
        }
    }

    fn sizes(statement: &ByRows, records: &[impl Record]) -> Vec<usize> {
        statement.cut(records).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_statement_takes_so_many_rows_and_bytes() {
        let all = Statements::new(&Prefix::new("shop").unwrap());
        let ids = |count| vec![FunctionId::new("T", "x"); count];
        assert_eq!(sizes(&all.read, &ids(0)), Vec::<usize>::new());
        assert_eq!(sizes(&all.read, &ids(1)), [1]);
        assert_eq!(sizes(&all.read, &ids(600)), [256, 256, 88]);
        assert_eq!(sizes(&all.delete, &ids(3)), [1, 1, 1]);
        let long = |length| Text("x".repeat(length));
        assert_eq!(
            sizes(&all.save, &[long(MOST_BYTES * 2), long(8), long(MOST_BYTES), long(8)]),
            [1, 1, 1, 1]
        );
        assert_eq!(sizes(&all.save, &[long(MOST_BYTES / 4), long(MOST_BYTES / 4), long(MOST_BYTES)]), [2, 1]);
    }

    #[test]
    fn many_rows_are_filled_up_to_a_power_of_two() {
        let all = Statements::new(&Prefix::new("shop").unwrap());
        for (count, places) in [(2, 2), (3, 4), (5, 8), (200, 256)] {
            let ids = vec![FunctionId::new("T", "x"); count];
            let query = all.read.query(&all.read.cut(&ids)[0]);
            assert_eq!(query.sql().as_str().matches("select cast(? as char)").count(), places, "{count}");
        }
    }

    #[test]
    fn no_word_is_left_in_a_statement() {
        let all = format!("{:?}", Statements::new(&Prefix::new("shop").unwrap()));
        let statements: Vec<_> =
            all.split("Sql(").skip(1).filter_map(|rest| rest.split("\")").next()).collect();
        assert!(statements.len() > 60, "{}", statements.len());
        assert_eq!(statements.iter().find(|sql| sql.contains('{')), None);
    }
}
