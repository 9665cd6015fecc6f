//! Opening: connect, check that the file is ours, migrate, start the writer.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError};
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::{Cause, Fault};
use super::options::SqliteBuilder;
use super::write::{INBOX, Writer};
use super::{Inner, OpenError, SqliteBackend};
use crate::migration::{Migration, Mismatch, TABLE, pending};
use crate::signal::Signal;

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("migrations/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "registers",
        sql: include_str!("migrations/0002_registers.sql"),
    },
];

/// `PRAGMA application_id` of a database of this library, set by the first migration.
const APPLICATION: i64 = 1_182_155_380;

pub(super) async fn open(options: SqliteBuilder) -> Result<SqliteBackend, OpenError> {
    let mut connection = connect(&options).await?;
    let checked = match check_owner(&options, &mut connection).await {
        Ok(()) => migrate(&options, &mut connection).await,
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        // The error at hand says more than one from closing could.
        drop(connection.close().await);
        return Err(error);
    }
    let readers = SqlitePoolOptions::new()
        .max_connections(options.readers)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.reader())
        .await
        .map_err(|error| OpenError::from_database(options.path(), error))?;

    let (inbox, waiting) = mpsc::channel(INBOX);
    let signal = Arc::new(Signal::default());
    let options = Arc::new(options);
    let writer = Writer::new(Arc::clone(&options), connection, Arc::clone(&signal));
    tokio::spawn(writer.run(waiting));
    tracing::debug!(path = %options.path().display(), "the database is open");
    Ok(SqliteBackend::new(Inner {
        options,
        inbox,
        readers,
        signal,
    }))
}

/// Opens the writing connection. Switching a new file to WAL needs it exclusively and does not wait for
/// other processes that do the same, so that is tried again here.
async fn connect(options: &SqliteBuilder) -> Result<SqliteConnection, OpenError> {
    let give_up = Instant::now() + options.busy_timeout;
    loop {
        match options.writer().connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                let error = Fault::from(error);
                if error.cause() != Cause::Locked || Instant::now() >= give_up {
                    return Err(OpenError::from_fault(options.path(), error));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens the writing connection of a database that was open already.
pub(super) async fn reconnect(options: &SqliteBuilder) -> Result<SqliteConnection, Fault> {
    Ok(options.writer().create_if_missing(false).connect().await?)
}

/// Refuses a database that has tables and is not of this library.
async fn check_owner(
    options: &SqliteBuilder,
    connection: &mut SqliteConnection,
) -> Result<(), OpenError> {
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table')",
    )
    .fetch_one(&mut *connection)
    .await;
    let read = row.and_then(|row| Ok((row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?)));
    match read {
        Ok((APPLICATION, _) | (0, 0)) => Ok(()),
        Ok(_) => Err(OpenError::OtherApplication {
            path: options.path().to_owned(),
        }),
        Err(error) => Err(OpenError::from_database(options.path(), error)),
    }
}

/// Brings the schema up to date, all steps in one transaction that locks out other processes, so that
/// of several that start at once, one migrates and the others find nothing to do.
async fn migrate(
    options: &SqliteBuilder,
    connection: &mut SqliteConnection,
) -> Result<(), OpenError> {
    let path = options.path();
    let failed = |error| OpenError::from_database(path, error);
    let failed_step = |error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => OpenError::Failed {
            path: path.to_owned(),
            source: Box::new(other),
        },
    };
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    transaction
        .ensure_migrations_table(TABLE)
        .await
        .map_err(failed_step)?;
    let applied = transaction
        .list_applied_migrations(TABLE)
        .await
        .map_err(failed_step)?;
    let steps = pending(MIGRATIONS, &applied).map_err(|mismatch| match mismatch {
        Mismatch::Newer { found, known } => OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        },
        Mismatch::Altered { version } => OpenError::Altered {
            path: path.to_owned(),
            version,
        },
    })?;
    for step in &steps {
        tracing::info!(version = step.version, name = %step.description, "migrating the database");
        transaction.apply(TABLE, step).await.map_err(failed_step)?;
    }
    transaction.commit().await.map_err(failed)
}
