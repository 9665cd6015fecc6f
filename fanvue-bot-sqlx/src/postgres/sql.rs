//! Calls of the database's functions, and columns as plain values.
//!
//! Every operation is one call of one function: one statement, one transaction. The functions set the tenant, or
//! say across which tables they reach, before they touch a row; nothing here reads or writes a table by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, Decode, Encode, Postgres, Row as _, Type,
};
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::fault::Fault;
use super::options::PostgresBuilder;
use super::text;
use crate::row::CorruptField;

/// What stands between this process and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pooler {
    /// Nothing, or a pooler in session mode: a connection stays the same. Statements are prepared once.
    #[default]
    None,
    /// A pooler in transaction mode, such as PgBouncer's or Supabase's on port 6543: each transaction may be on
    /// another connection. Nothing is kept on one, and wake-ups come by polling, since LISTEN needs one that
    /// stays.
    Transaction,
}

/// Whose the connections are, and so who closes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    BackEnd,
    Application,
}

/// The connections, and how a statement is run on one.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pool: PgPool,
    owner: Owner,
    pooler: Pooler,
    /// How long a call may take once it has a connection.
    call_timeout: Duration,
    /// Held for reading by what is under way. The application's pool outlives the back end, so that it is closed
    /// cannot be read from the pool.
    closed: Arc<RwLock<bool>>,
}

impl Database {
    pub(super) fn new(pool: PgPool, owner: Owner, options: &PostgresBuilder) -> Self {
        Self {
            pool,
            owner,
            pooler: options.pooler,
            call_timeout: options.call_timeout,
            closed: Arc::default(),
        }
    }

    /// Waits for what is under way; every call fails from here on.
    pub(super) async fn close(&self) {
        if self.owner == Owner::BackEnd {
            self.pool.close().await;
        }
        *self.closed.write().await = true;
    }

    /// Calls a function and answers with its rows.
    ///
    /// A network that has lost a connection may tell nobody, and the system waits a quarter of an hour for it, or
    /// for ever: so a call that is not answered in time fails, and its connection is closed.
    pub(super) async fn call(
        &self,
        sql: &'static str,
        values: Values,
    ) -> Result<Vec<PgRow>, Fault> {
        let closed = self.closed.read().await;
        if *closed {
            return Err(Fault::Closed);
        }
        let mut calling = Calling {
            connection: None,
            patience: self.call_timeout,
        };
        let connection = calling.connection.insert(self.pool.acquire().await?);
        let answered = timeout(self.call_timeout, self.run(connection, sql, values)).await;
        answered.unwrap_or_else(|_elapsed| {
            drop(calling.connection.take().map(PoolConnection::detach));
            Err(Fault::NoAnswer)
        })
    }

    /// Begins a transaction whose locks hold nobody up for long if this process stops in the middle of it.
    fn begin(&self) -> AssertSqlSafe<String> {
        let millis = self.call_timeout.as_millis().clamp(1, i32::MAX as u128);
        AssertSqlSafe(format!(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        ))
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        sql: &'static str,
        values: Values,
    ) -> Result<Vec<PgRow>, Fault> {
        let query = sqlx::query_with(sql, values.0);
        match self.pooler {
            Pooler::None => Ok(query.fetch_all(connection).await?),
            Pooler::Transaction => {
                // Describing and running a statement are two exchanges, which only a transaction keeps on one
                // connection. Unnamed, it leaves nothing behind.
                let mut transaction = connection.begin_with(self.begin()).await?;
                let rows = query.persistent(false).fetch_all(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(rows)
            }
        }
    }
}
/// A connection that a call is under way on. At its end, or if it is dropped in the middle, the connection goes back
/// to the pool as soon as it has nothing more to say, and is closed if that takes too long: sqlx by itself would
/// wait for ever, and the pool be one place smaller.
struct Calling {
    connection: Option<PoolConnection<Postgres>>,
    patience: Duration,
}

impl Drop for Calling {
    fn drop(&mut self) {
        if let (Some(mut connection), Ok(runtime)) = (self.connection.take(), Handle::try_current())
        {
            runtime.spawn(timeout(self.patience, connection.return_to_pool()));
        }
    }
}

/// Values to bind, in order.
#[derive(Default)]
pub(super) struct Values(PgArguments);

impl Values {
    pub(super) fn add<'t, T: Encode<'t, Postgres> + Type<Postgres>>(
        mut self,
        value: T,
    ) -> Result<Self, Fault> {
        self.0.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Text that may hold anything.
    pub(super) fn text(self, value: &str) -> Result<Self, Fault> {
        self.add(text::encode(value).as_ref())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

/// Reads the columns of rows of one table.
#[derive(Clone, Copy)]
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    table: &'static str,
}

impl<'r> Columns<'r> {
    pub(super) const fn new(row: &'r PgRow, table: &'static str) -> Self {
        Self { row, table }
    }

    pub(super) const fn corrupt(
        &self,
        field: &'static str,
        expected: &'static str,
    ) -> CorruptField {
        CorruptField::new(self.table, field, expected)
    }

    pub(super) fn get<T: Decode<'r, Postgres> + Type<Postgres>>(
        &self,
        index: usize,
        field: &'static str,
    ) -> Result<T, CorruptField> {
        self.row
            .try_get(index)
            .map_err(|_| self.corrupt(field, "of its type"))
    }

    /// Text that may hold anything.
    pub(super) fn text(&self, index: usize, field: &'static str) -> Result<String, CorruptField> {
        text::decode(self.get(index, field)?).ok_or_else(|| self.corrupt(field, "text"))
    }

    pub(super) fn text_or_null(
        &self,
        index: usize,
        field: &'static str,
    ) -> Result<Option<String>, CorruptField> {
        match self.get::<Option<String>>(index, field)? {
            None => Ok(None),
            Some(stored) => match text::decode(stored) {
                Some(text) => Ok(Some(text)),
                None => Err(self.corrupt(field, "text")),
            },
        }
    }
}
