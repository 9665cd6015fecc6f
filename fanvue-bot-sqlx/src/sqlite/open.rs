//! Opening: connect, check that the file is ours, migrate, start the writer.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError};
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::{Cause, Fault};
use super::options::{SqliteBuilder, Tables};
use super::write::{INBOX, Writer};
use super::{Inner, OpenError, SqliteBackend};
use crate::migration::{Migration, Mismatch, TABLE, made, pending};
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
    Migration {
        version: 3,
        name: "reasons",
        sql: include_str!("migrations/0003_reasons.sql"),
    },
    Migration {
        version: 4,
        name: "erasure",
        sql: include_str!("migrations/0004_erasure.sql"),
    },
    Migration {
        version: 5,
        name: "ledger",
        sql: include_str!("migrations/0005_ledger.sql"),
    },
    Migration {
        version: 6,
        name: "broadcasts",
        sql: include_str!("migrations/0006_broadcasts.sql"),
    },
    Migration {
        version: 7,
        name: "erased creators",
        sql: include_str!("migrations/0007_erased_creators.sql"),
    },
];

/// `PRAGMA application_id` of a database of this library, set by the first migration.
const APPLICATION: i64 = 1_182_155_380;

pub(super) async fn open(options: SqliteBuilder) -> Result<SqliteBackend, OpenError> {
    let mut connection = connect(&options).await?;
    if let Err(error) = migrate(&options, &mut connection).await {
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

/// Refuses a database in which our tables cannot be; answers with its `application_id`.
async fn check_owner(
    options: &SqliteBuilder,
    connection: &mut SqliteConnection,
) -> Result<i64, OpenError> {
    let names = sqlx::query("SELECT name, type = 'table' FROM sqlite_schema")
        .fetch_all(&mut *connection)
        .await;
    let application = sqlx::query("PRAGMA application_id")
        .fetch_one(connection)
        .await;
    let read = names.and_then(|rows| {
        let mut names = Vec::with_capacity(rows.len());
        for row in rows {
            names.push((row.try_get(0)?, row.try_get(1)?));
        }
        let application: i64 = application?.try_get(0)?;
        Ok((names, application))
    });
    let path = options.path();
    let (names, application): (Vec<(String, bool)>, _) =
        read.map_err(|error| OpenError::from_database(path, error))?;
    if application == APPLICATION || names.iter().any(|(name, _)| name == TABLE) {
        return Ok(application);
    }
    match options.tables {
        Tables::Own if application != 0 || names.iter().any(|(_, table)| *table) => {
            Err(OpenError::OtherApplication {
                path: path.to_owned(),
            })
        }
        Tables::Own => Ok(APPLICATION),
        Tables::BesideOthers => {
            let ours = made(MIGRATIONS, &["CREATE TABLE ", "CREATE INDEX "]);
            let taken: Vec<&str> = names
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| ours.contains(name))
                .collect();
            if taken.is_empty() {
                return Ok(application);
            }
            Err(OpenError::TablesTaken {
                path: path.to_owned(),
                tables: taken.join(", "),
            })
        }
    }
}

/// Brings the schema up to date, all steps in one transaction that locks out other processes, so that
/// of several that start at once, one migrates and the others find nothing to do.
async fn migrate(
    options: &SqliteBuilder,
    connection: &mut SqliteConnection,
) -> Result<(), OpenError> {
    let application = check_owner(options, connection).await?;
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
    if !steps.is_empty() && application != APPLICATION {
        // The first step names the file as ours, and it is not ours alone.
        let name = format!("PRAGMA application_id = {application}");
        sqlx::raw_sql(AssertSqlSafe(name))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
