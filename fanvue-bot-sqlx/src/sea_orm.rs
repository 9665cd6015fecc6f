//! For an application that has a SeaORM connection already: the bot works on it, and SeaORM reads our tables.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use fanvue_bot_core::id::CreatorId;
//! use fanvue_bot_sqlx::PostgresBackend;
//! use fanvue_bot_sqlx::sea_orm::{begin_for, entity::postgres::message};
//! use sea_orm::{ColumnTrait as _, Database, EntityTrait as _, QueryFilter as _};
//!
//! let connection = Database::connect("postgres://app:password@localhost/app").await?;
//! let backend = PostgresBackend::from_sea_orm(&connection).await?;
//!
//! # let creator: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse()?;
//! let transaction = begin_for(&connection, creator).await?;
//! let waiting = message::Entity::find()
//!     .filter(message::Column::Outcome.is_null())
//!     .all(&transaction)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is shared
//!
//! On Postgres, the pool: [`PostgresBackend::from_sea_orm`](crate::PostgresBackend::from_sea_orm) takes its
//! connections from the application's, and opens one more of its own, which listens. The pool stays the
//! application's: [`close`](crate::PostgresBackend::close) leaves it open, and its limits are those that the
//! application has set. A reply in flight holds no connection, so a pool needs none for each. SeaORM's pool asks the server whether a
//! connection still works before each use, which doubles the round trips: `ConnectOptions::test_before_acquire(false)`
//! spares that.
//!
//! On SQLite, the file: [`SqliteBackend::from_sea_orm`](crate::SqliteBackend::from_sea_orm) opens the file that the
//! pool has open, with its own writer and readers. SQLite lets one connection write at a time, and the writer's group
//! commit needs it to be one that nobody else holds; SeaORM's pool has a single connection by default. Each sees what
//! the other has committed. A write of one waits for that of the other, up to its `busy_timeout`: so call the bot
//! before or after a transaction of yours that writes, not inside it. The file is switched to a write-ahead log. Our
//! tables stand beside yours; if one of their names is taken, opening is refused.
//!
//! # The version
//!
//! SeaORM 2.x, which shares sqlx 0.9 with this crate. A connection of SeaORM 1.x is another type, on sqlx 0.8, and
//! cannot be handed over: the compiler says so.
//!
//! # Row level security
//!
//! On Postgres a query that names no creator to the database sees no row, whoever asks. [`begin_for`] names one for
//! a transaction. SQLite has no such thing: there every query has to name the creator itself.
//!
//! # To read, not to write
//!
//! A row is one side of an invariant: a conversation has a revision that others build on, a message a decision, a job
//! a lane. Entities therefore have no columns to set, and no model can be inserted, updated or deleted. Write through the
//! ports. Statements over many rows, such as `delete_many`, are not kept back: leave them alone.

pub mod entity;
mod read_only;

use fanvue_bot_core::id::CreatorId;
use sea_orm::{
    ConnectionTrait as _, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr,
    Statement, TransactionTrait as _,
};

pub use self::read_only::ReadOnly;

/// Begins a transaction that sees the rows of `creator`, and on Postgres no others.
///
/// What the transaction may see ends with it, so the connection goes back to the pool as it was.
///
/// # Errors
/// What SeaORM says, if no connection comes free or the transaction does not begin; and for a database in which our
/// tables cannot be.
pub async fn begin_for(
    connection: &DatabaseConnection,
    creator: CreatorId,
) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection.begin().await?;
    match transaction.get_database_backend() {
        DatabaseBackend::Postgres => {
            let name = Statement::from_sql_and_values(
                DatabaseBackend::Postgres,
                "SELECT set_config('app.creator', $1, true)",
                [creator.as_uuid().to_string().into()],
            );
            transaction.execute_raw(name).await?;
        }
        DatabaseBackend::Sqlite => {}
        other => {
            return Err(DbErr::Custom(format!(
                "the tables of fanvue-bot are in Postgres or SQLite, and this is {other:?}"
            )));
        }
    }
    Ok(transaction)
}

/// What SeaORM calls the connection. Its own getters panic on one of the wrong kind, and which kinds there are depends
/// on the features that the application has chosen.
pub(crate) fn kind(connection: &DatabaseConnection) -> String {
    format!("{:?}", connection.inner)
}
