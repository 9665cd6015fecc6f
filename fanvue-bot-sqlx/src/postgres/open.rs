//! Opening: connect, check the server and the role, migrate, start the tasks.

use std::sync::Arc;

use sqlx::migrate::AppliedMigration;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{Connection as _, Row as _};
use tokio::time::timeout;

use super::fault::{Cause, Fault};
use super::options::{Migrations, PostgresBuilder, Source, WakeUps};
use super::sql::{Database, Owner, Pooler};
use super::{Inner, OpenError, PostgresBackend, inbox, intake, queue, wake};
use crate::migration::{Migration, Mismatch, made, pending};

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "tables",
        sql: include_str!("migrations/0001_tables.sql"),
    },
    Migration {
        version: 2,
        name: "queue",
        sql: include_str!("migrations/0002_queue.sql"),
    },
    Migration {
        version: 3,
        name: "leases and secrets",
        sql: include_str!("migrations/0003_leases_and_secrets.sql"),
    },
    Migration {
        version: 4,
        name: "store",
        sql: include_str!("migrations/0004_store.sql"),
    },
    Migration {
        version: 5,
        name: "registers",
        sql: include_str!("migrations/0005_registers.sql"),
    },
    Migration {
        version: 6,
        name: "rotation",
        sql: include_str!("migrations/0006_rotation.sql"),
    },
    Migration {
        version: 7,
        name: "claims",
        sql: include_str!("migrations/0007_claims.sql"),
    },
    Migration {
        version: 8,
        name: "reasons",
        sql: include_str!("migrations/0008_reasons.sql"),
    },
    Migration {
        version: 9,
        name: "inbox",
        sql: include_str!("migrations/0009_inbox.sql"),
    },
    Migration {
        version: 10,
        name: "erasure",
        sql: include_str!("migrations/0010_erasure.sql"),
    },
    Migration {
        version: 11,
        name: "ledger",
        sql: include_str!("migrations/0011_ledger.sql"),
    },
    Migration {
        version: 12,
        name: "broadcasts",
        sql: include_str!("migrations/0012_broadcasts.sql"),
    },
    Migration {
        version: 13,
        name: "shares",
        sql: include_str!("migrations/0013_shares.sql"),
    },
    Migration {
        version: 14,
        name: "erased creators",
        sql: include_str!("migrations/0014_erased_creators.sql"),
    },
];

/// Postgres 14, as `server_version_num` writes it.
const OLDEST_SERVER: i32 = 140_000;

pub(super) async fn open(options: PostgresBuilder) -> Result<PostgresBackend, OpenError> {
    let (database, connection_options) = match &options.source {
        Source::Address(address) => own(&options, address).await?,
        Source::Pool(pool) => shared(&options, pool).await?,
    };
    let options = Arc::new(options);
    let shared = Arc::new(wake::Shared::default());
    let notifier = wake::notify(&database, &shared, options.notify_interval);
    let listener = match (options.wake_ups, options.pooler) {
        (WakeUps::Listen, Pooler::None) => Some(wake::listen(
            connection_options,
            &shared,
            options.call_timeout,
        )),
        _ => None,
    };
    tracing::debug!("the database is open");
    Ok(PostgresBackend::new(Inner {
        intakes: intake::intakes(&database, &options, &shared),
        completions: queue::completions(&database, &options, &shared),
        keeping: inbox::keeping(&database, &options, &shared),
        database,
        options,
        shared,
        tasks: [Some(notifier), listener].into_iter().flatten().collect(),
    }))
}

/// Connections of the back end's own.
async fn own(
    options: &PostgresBuilder,
    address: &str,
) -> Result<(Database, PgConnectOptions), OpenError> {
    let connection_options = options.connection(address)?;
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections_or_default())
        .acquire_timeout(options.acquire_timeout_or_default())
        .test_before_acquire(false)
        .connect_lazy_with(connection_options.clone());
    // Not from the pool, which would try again until its time is over, and say no more than that.
    let connecting = PgConnection::connect_with(&connection_options);
    let mut connection = timeout(options.acquire_timeout_or_default(), connecting)
        .await
        .map_err(|_elapsed| Fault::NoAnswer)??;
    prepare(options, &mut connection).await?;
    // Whatever that says, the pool has connections of its own.
    drop(connection.close().await);
    let database = Database::new(pool, Owner::BackEnd, options);
    Ok((database, connection_options))
}

/// The application's connections. What is checked is one of them: the pool may have made it another role's.
async fn shared(
    options: &PostgresBuilder,
    pool: &PgPool,
) -> Result<(Database, PgConnectOptions), OpenError> {
    let mut connection = pool.acquire().await?;
    prepare(options, &mut connection).await?;
    drop(connection);
    let database = Database::new(pool.clone(), Owner::Application, options);
    Ok((database, PgConnectOptions::clone(&pool.connect_options())))
}

/// Checks whether the server and the role will do, and brings the schema up to date.
async fn prepare(
    options: &PostgresBuilder,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    check_server(connection).await?;
    let role = check_role(connection).await?;
    migrate(connection, options.migrations, &role).await?;
    check_whole(connection).await?;
    check_sealed(connection).await?;
    check_rights(connection, role).await
}

async fn check_server(connection: &mut PgConnection) -> Result<(), OpenError> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::integer, pg_is_in_recovery() \
             OR current_setting('default_transaction_read_only')::boolean, \
         current_setting('default_transaction_isolation')",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    supported(row.try_get(0)?)?;
    if row.try_get(1)? {
        return Err(OpenError::ReadOnly);
    }
    if row.try_get::<&str, _>(2)? != "read committed" {
        // A function looks anew after it has waited for a lock, and must see what was done meanwhile.
        return Err(OpenError::Setting {
            setting: "default_transaction_isolation",
            reason: "must be 'read committed' for the connections of this library: set it for its role",
        });
    }
    Ok(())
}

fn supported(version: i32) -> Result<(), OpenError> {
    if version >= OLDEST_SERVER {
        return Ok(());
    }
    Err(OpenError::OldServer {
        major: u32::try_from(version / 10_000).unwrap_or(0),
    })
}

/// Refuses a role for which row level security does not hold; answers with its name.
async fn check_role(connection: &mut PgConnection) -> Result<String, OpenError> {
    let row = sqlx::query(
        "SELECT rolname::text, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    let role = row.try_get(0)?;
    let why = match (row.try_get(1)?, row.try_get(2)?) {
        (true, _) => "is a superuser",
        (false, true) => "has BYPASSRLS",
        (false, false) => return Ok(role),
    };
    Err(OpenError::UnsealedRole { role, why })
}

/// Brings the schema up to date, all steps in one transaction under a lock, so that of several that start at
/// once one migrates and the others find nothing to do.
async fn migrate(
    connection: &mut PgConnection,
    mode: Migrations,
    role: &str,
) -> Result<(), OpenError> {
    let missing = |what: &str| OpenError::MissingRight {
        role: role.to_owned(),
        what: what.to_owned(),
    };
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(1182155380, 0)")
        .execute(&mut *transaction)
        .await?;
    let applied = applied(&mut transaction)
        .await
        .map_err(|fault| match fault.cause() {
            Cause::MissingRight => missing("use the schema fanvue_bot"),
            _ => fault.into(),
        })?;
    let steps =
        pending(MIGRATIONS, applied.as_deref().unwrap_or_default()).map_err(|mismatch| {
            match mismatch {
                Mismatch::Newer { found, known } => OpenError::Newer { found, known },
                Mismatch::Altered { version } => OpenError::Altered { version },
            }
        })?;
    if steps.is_empty() {
        return Ok(());
    }
    if mode == Migrations::Expect {
        let found = applied.into_iter().flatten().map(|step| step.version).max();
        return Err(OpenError::Pending {
            found: found.unwrap_or(0),
            known: MIGRATIONS.last().map_or(0, |step| step.version),
        });
    }
    let result = async {
        if applied.is_none() {
            sqlx::raw_sql(CREATE).execute(&mut *transaction).await?;
        }
        for step in steps {
            tracing::info!(version = step.version, name = %step.description, "migrating the database");
            sqlx::raw_sql(step.sql.clone())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO fanvue_bot.migrations (version, description, checksum) VALUES ($1, $2, $3)",
            )
            .persistent(false)
            .bind(step.version)
            .bind(&*step.description)
            .bind(&*step.checksum)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    };
    result.await.map_err(|error| {
        let fault = Fault::from(error);
        match fault.cause() {
            Cause::MissingRight => missing("create the schema fanvue_bot and its tables"),
            Cause::Present => OpenError::Unlisted,
            _ => fault.into(),
        }
    })
}

/// `IF NOT EXISTS`, because the role script may have made it, for a role that may not create one.
const CREATE: &str = "\
    DO $$ BEGIN \
        IF to_regnamespace('fanvue_bot') IS NULL THEN CREATE SCHEMA fanvue_bot; END IF; \
    END $$; \
    CREATE TABLE fanvue_bot.migrations (\
        version bigint PRIMARY KEY, \
        description text NOT NULL, \
        checksum bytea NOT NULL, \
        applied_at timestamptz NOT NULL DEFAULT now())";

/// The steps that are done; `None` if there is no place yet where they are noted.
async fn applied(connection: &mut PgConnection) -> Result<Option<Vec<AppliedMigration>>, Fault> {
    let row = sqlx::query("SELECT to_regclass('fanvue_bot.migrations') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    if !row.try_get::<bool, _>(0)? {
        return Ok(None);
    }
    let rows = sqlx::query("SELECT version, checksum FROM fanvue_bot.migrations ORDER BY version")
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let steps = rows.iter().map(|row| {
        Ok(AppliedMigration {
            version: row.try_get(0)?,
            checksum: row.try_get::<Vec<u8>, _>(1)?.into(),
        })
    });
    Ok(Some(steps.collect::<Result<_, sqlx::Error>>()?))
}

/// Refuses a schema that has lost something since it was made, as by restoring half of a backup.
async fn check_whole(connection: &mut PgConnection) -> Result<(), OpenError> {
    let relations = made(MIGRATIONS, &["CREATE TABLE ", "CREATE SEQUENCE "]);
    let functions = made(MIGRATIONS, &["CREATE FUNCTION "]);
    let rows = sqlx::query(
        "SELECT name FROM unnest($1::text[]) AS name \
         WHERE to_regclass('fanvue_bot.' || quote_ident(name)) IS NULL \
         UNION ALL SELECT name FROM unnest($2::text[]) AS name \
         WHERE NOT EXISTS (SELECT FROM pg_proc AS p \
             WHERE p.pronamespace = 'fanvue_bot'::regnamespace AND p.proname = name) ORDER BY 1",
    )
    .persistent(false)
    .bind(Vec::from_iter(relations))
    .bind(Vec::from_iter(functions))
    .fetch_all(connection)
    .await?;
    match names(&rows)? {
        None => Ok(()),
        Some(missing) => Err(OpenError::Incomplete { missing }),
    }
}

/// Refuses tables that somebody has opened to all tenants, as with one click on some hosted databases.
async fn check_sealed(connection: &mut PgConnection) -> Result<(), OpenError> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_class AS c \
         WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'p') \
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity) \
         AND EXISTS (SELECT FROM pg_attribute AS a \
             WHERE a.attrelid = c.oid AND a.attname = 'creator_id' AND NOT a.attisdropped) ORDER BY 1",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    match names(&rows)? {
        None => Ok(()),
        Some(tables) => Err(OpenError::UnsealedTables { tables }),
    }
}

/// The names in `rows`, as words; `None` if there are none.
fn names(rows: &[PgRow]) -> Result<Option<String>, sqlx::Error> {
    let names = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, _>>()?;
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// Refuses a role that could not work, before anything is accepted that it could not store.
async fn check_rights(connection: &mut PgConnection, role: String) -> Result<(), OpenError> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_class AS c \
         WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'S') \
         AND c.relname <> 'migrations' AND NOT CASE c.relkind \
             WHEN 'S' THEN has_sequence_privilege(c.oid, 'USAGE') \
             ELSE has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
                 AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE') END \
         UNION ALL \
         SELECT p.proname::text FROM pg_proc AS p \
         WHERE p.pronamespace = 'fanvue_bot'::regnamespace \
         AND NOT has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    match names(&rows)? {
        None => Ok(()),
        Some(names) => Err(OpenError::MissingRight {
            role,
            what: format!("use {names} of the schema fanvue_bot"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_14_is_refused_in_words() {
        for version in [140_000, 150_018, 180_001] {
            assert!(supported(version).is_ok());
        }
        let error = supported(130_022).unwrap_err().to_string();
        assert_eq!(
            error,
            "the server is Postgres 13, and 14 is the oldest that works: update it"
        );
    }

    /// A setting that outlives its transaction would be the next client's behind a pooler.
    #[test]
    fn every_setting_ends_with_its_transaction() {
        let mut settings = 0;
        for step in MIGRATIONS {
            // A function's own settings, after its head, end with the call.
            for (line, text) in (1..).zip(step.sql.lines()) {
                let place = format!("{} line {line}: {text}", step.name);
                if text.contains("set_config(") && !text.starts_with("--") {
                    assert!(text.contains(", true)"), "{place}");
                    settings += 1;
                }
                let session = ["SET app.", "SET SESSION", "SET fanvue"];
                assert!(!session.iter().any(|set| text.contains(set)), "{place}");
            }
        }
        assert!(settings > 10);
    }

    #[test]
    fn migrations_are_numbered_from_one_without_a_gap() {
        let numbers: Vec<i64> = MIGRATIONS.iter().map(|step| step.version).collect();
        let expected: Vec<i64> = (1..).take(MIGRATIONS.len()).collect();
        assert_eq!(numbers, expected);
    }
}
