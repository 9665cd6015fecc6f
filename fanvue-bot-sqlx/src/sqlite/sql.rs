//! Binding and reading: statements over many rows at once, and columns as plain values.
//!
//! Each statement costs a hop to the connection's thread and back, more than most of them take to run.
//! So every operation works on sets: rows are inserted many at a time, and keys are passed as one JSON
//! parameter, which also keeps the texts of statements few and prepared.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Row as _, SqlSafeStr as _, SqlStr, Sqlite, Type,
};
use uuid::Uuid;

use super::fault::Fault;
use crate::row::CorruptField;

/// Values to bind, in order.
#[derive(Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    pub(super) fn push<'t>(
        &mut self,
        value: impl Encode<'t, Sqlite> + Type<Sqlite>,
    ) -> Result<(), Fault> {
        Ok(self.0.add(value).map_err(sqlx::Error::Encode)?)
    }

    pub(super) fn push_id(&mut self, id: Uuid) -> Result<(), Fault> {
        self.push(id.into_bytes().to_vec())
    }

    pub(super) fn int(mut self, value: i64) -> Result<Self, Fault> {
        self.push(value)?;
        Ok(self)
    }

    pub(super) fn text(mut self, value: impl Into<String>) -> Result<Self, Fault> {
        self.push(value.into())?;
        Ok(self)
    }

    pub(super) fn id(mut self, id: Uuid) -> Result<Self, Fault> {
        self.push_id(id)?;
        Ok(self)
    }

    pub(super) fn bytes(mut self, bytes: Vec<u8>) -> Result<Self, Fault> {
        self.push(bytes)?;
        Ok(self)
    }
}

/// Runs a statement and answers with how many rows it changed.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
    values: Values,
) -> Result<u64, Fault> {
    let done = sqlx::query_with(sql, values.0).execute(connection).await?;
    Ok(done.rows_affected())
}

/// Runs a statement and answers with its rows.
pub(super) async fn fetch<'c>(
    executor: impl sqlx::Executor<'c, Database = Sqlite>,
    sql: &'static str,
    values: Values,
) -> Result<Vec<SqliteRow>, Fault> {
    Ok(sqlx::query_with(sql, values.0).fetch_all(executor).await?)
}

/// A statement over as many rows as it is given: `head`, then a query that yields the rows, then `tail`.
pub(super) struct Bulk {
    texts: Vec<(usize, SqlStr)>,
}

/// For how many rows there is a text. The smallest that fits is taken and its last rows stay unbound,
/// which drops them: one statement for any number of rows up to the largest, and all stay prepared.
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

impl Bulk {
    pub(super) fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            texts: SIZES
                .iter()
                .map(|rows| (*rows, text(head, columns, *rows, tail)))
                .collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.texts
            .iter()
            .map(|(_, text)| text.as_str().to_owned())
            .collect()
    }

    /// Runs the statement over `rows`; `lead` binds what `head` asks for. Answers with what it returns.
    pub(super) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        lead: impl Fn(&mut Values) -> Result<(), Fault>,
        rows: &[T],
        mut bind: impl FnMut(&mut Values, &T) -> Result<(), Fault>,
    ) -> Result<Vec<SqliteRow>, Fault> {
        let mut returned = Vec::new();
        let most = self.texts.last().map_or(1, |(size, _)| *size);
        for some in rows.chunks(most) {
            let Some((_, text)) = self.texts.iter().find(|(size, _)| *size >= some.len()) else {
                continue;
            };
            let mut values = Values::default();
            lead(&mut values)?;
            for row in some {
                bind(&mut values, row)?;
            }
            let query = sqlx::query_with(text.clone(), values.0);
            returned.extend(query.fetch_all(&mut *connection).await?);
        }
        Ok(returned)
    }
}

fn text(head: &str, columns: usize, rows: usize, tail: &str) -> SqlStr {
    let row = format!("({})", vec!["?"; columns].join(","));
    let rows = vec![row; rows].join(",");
    let text = format!("{head} SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL {tail}");
    AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
}

/// Numbers as one parameter, to be read with `json_each`.
pub(super) fn json_numbers(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut json = String::from("[");
    for number in numbers {
        if json.len() > 1 {
            json.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(json, "{number}");
    }
    json.push(']');
    json
}

/// Keys of one or more ids each as one parameter, to be read with `json_each` and taken apart with
/// `unhex(substr(..))`, 32 digits for each id.
pub(super) fn json_keys<'a>(keys: impl IntoIterator<Item = &'a [Uuid]>) -> String {
    let mut json = String::from("[");
    for key in keys {
        json.push_str(if json.len() > 1 { ",\"" } else { "\"" });
        for id in key {
            // Writing to a string does not fail.
            let _ = write!(json, "{}", id.as_simple());
        }
        json.push('"');
    }
    json.push(']');
    json
}

/// Reads the columns of rows of one table.
#[derive(Clone, Copy)]
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Columns<'r> {
    pub(super) const fn new(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, table }
    }

    pub(super) const fn corrupt(
        &self,
        field: &'static str,
        expected: &'static str,
    ) -> CorruptField {
        CorruptField::new(self.table, field, expected)
    }

    pub(super) fn int(&self, index: usize, field: &'static str) -> Result<i64, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "a number"))
    }

    pub(super) fn int_or_null(
        &self,
        index: usize,
        field: &'static str,
    ) -> Result<Option<i64>, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "a number or nothing"))
    }

    pub(super) fn text(&self, index: usize, field: &'static str) -> Result<String, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "text"))
    }

    pub(super) fn text_or_null(
        &self,
        index: usize,
        field: &'static str,
    ) -> Result<Option<String>, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "text or nothing"))
    }

    pub(super) fn id(&self, index: usize, field: &'static str) -> Result<Uuid, CorruptField> {
        let bytes: &[u8] = self
            .row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "an id of 16 bytes"))?;
        uuid(bytes, self.table, field)
    }

    pub(super) fn id_or_null(
        &self,
        index: usize,
        field: &'static str,
    ) -> Result<Option<Uuid>, CorruptField> {
        let bytes: Option<&[u8]> = self
            .row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "an id of 16 bytes or nothing"))?;
        bytes
            .map(|bytes| uuid(bytes, self.table, field))
            .transpose()
    }

    pub(super) fn bytes(&self, index: usize, field: &'static str) -> Result<Vec<u8>, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "bytes"))
    }

    pub(super) fn flag(&self, index: usize, field: &'static str) -> Result<bool, CorruptField> {
        match self.int(index, field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupt(field, "0 or 1")),
        }
    }
}

/// The UUID in a stored field.
fn uuid(bytes: &[u8], table: &'static str, field: &'static str) -> Result<Uuid, CorruptField> {
    Uuid::from_slice(bytes).map_err(|_| CorruptField::new(table, field, "an id of 16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_hex_side_by_side() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(0xff));
        assert_eq!(
            json_keys([[a, b].as_slice()]),
            "[\"00000000000000000000000000000001000000000000000000000000000000ff\"]"
        );
        assert_eq!(json_keys([]), "[]");
        assert_eq!(json_numbers([1, -2]), "[1,-2]");
    }
}
