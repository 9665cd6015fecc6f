//! The store under load, and the floor that it is compared with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fanvue_bot::backend::Backend;
use fanvue_bot::id::ConversationId;
use fanvue_bot::memory::{MemoryBackend, MemoryVault};
use fanvue_bot::page::PageRequest;
use fanvue_bot::queue::JobQueue;
use fanvue_bot::secret::{Keyring, MasterKey, SecretVault};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use fanvue_bot::store::Store as _;
use fanvue_bot::time::{Clock as _, SystemClock};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::Common;

/// What the bot stores in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StoreKind {
    /// This process's memory: nothing is durable, and what is left is the library's own cost.
    Memory,
    /// One SQLite file, as durable as the library makes it.
    Sqlite,
    /// A Postgres database, empty, at --database-url.
    Postgres,
}

impl StoreKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// An open store, empty at first.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) backend: Backend,
    pub(crate) vault: Arc<dyn SecretVault>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Memory,
    Sqlite(SqliteBackend, Folder),
    Postgres(PostgresBackend, PgPool),
}

/// Where files lie: given, or made for this run and removed with it.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    /// Beside the program rather than in the system's temporary folder, which may be memory, where a
    /// commit costs nothing.
    fn new(common: &Common) -> anyhow::Result<Self> {
        if let Some(folder) = &common.data {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
            anyhow::ensure!(
                !folder.join(FILE).exists(),
                "{} has a database already; name an empty folder with --data",
                folder.display()
            );
            return Ok(Self::Kept(folder.clone()));
        }
        let program = std::env::current_exe().context("where this program lies is not known")?;
        let beside = program.parent().unwrap_or_else(|| Path::new("."));
        let folder = tempfile::Builder::new()
            .prefix("load-")
            .tempdir_in(beside)
            .with_context(|| {
                format!(
                    "no folder can be made in {}; name one with --data",
                    beside.display()
                )
            })?;
        Ok(Self::Temporary(folder))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

const FILE: &str = "load.db";
const FLOOR_FILE: &str = "floor.db";
const FLOOR_CONNECTIONS: u32 = 16;

/// How many conversations one transaction copies.
const COPIES: i64 = 200;

const COPY: &str = "\
    WITH fans AS MATERIALIZED (SELECT gen_random_uuid() AS fan FROM generate_series(1, $3)), \
    made AS ( \
        INSERT INTO fanvue_bot.conversations (creator_id, fan_id, revision, wake_at, state) \
        SELECT c.creator_id, f.fan, c.revision, c.wake_at, c.state \
        FROM fans AS f, fanvue_bot.conversations AS c WHERE c.creator_id = $1 AND c.fan_id = $2 \
    ) \
    INSERT INTO fanvue_bot.messages \
        (creator_id, fan_id, id, sent_at, stored_at, author, kind, text, has_media, fetched) \
    SELECT m.creator_id, f.fan, gen_random_uuid(), m.sent_at - n * 1000000, m.stored_at - n * 1000000, \
        m.author, m.kind, m.text, m.has_media, m.fetched \
    FROM fans AS f, generate_series(1, $4) AS n, fanvue_bot.messages AS m \
    WHERE m.creator_id = $1 AND m.fan_id = $2";

/// For how long the key of an ended job stays taken, by default.
const DAY: Duration = Duration::from_secs(86_400);

/// How much room jobs take on the server, and how many rows of that are dead, as far as it has counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    pub(crate) table: usize,
    pub(crate) indexes: usize,
    pub(crate) dead: usize,
}

impl Database {
    pub(crate) async fn open(common: &Common) -> anyhow::Result<Self> {
        Self::open_with_retention(common, DAY).await
    }

    /// One in which the key of an ended job stays taken for `retention`.
    pub(crate) async fn open_with_retention(
        common: &Common,
        retention: Duration,
    ) -> anyhow::Result<Self> {
        match common.store {
            StoreKind::Memory => Ok(Self {
                backend: Backend::shared(Arc::new(MemoryBackend::with_key_retention(retention))),
                vault: Arc::new(MemoryVault::new()),
                kind: Kind::Memory,
            }),
            StoreKind::Sqlite => {
                let folder = Folder::new(common)?;
                let sqlite = SqliteBackend::builder(folder.path().join(FILE))
                    .idempotency_retention(retention)
                    .open()
                    .await
                    .context("the database does not open")?;
                Ok(Self {
                    backend: Backend::shared(Arc::new(sqlite.clone())),
                    vault: Arc::new(SqliteVault::new(sqlite.clone(), keyring()?)),
                    kind: Kind::Sqlite(sqlite, folder),
                })
            }
            StoreKind::Postgres => {
                let address = common.database_url.as_deref().context(
                    "--store postgres needs --database-url, the address of an empty database",
                )?;
                let postgres = PostgresBackend::builder(address)
                    .idempotency_retention(retention)
                    .open()
                    .await
                    .context("the database does not open")?;
                let far = SystemClock.now() + Duration::from_secs(1 << 32);
                let known = postgres.due(None, far, &PageRequest::first(1)).await?;
                anyhow::ensure!(
                    known.items.is_empty(),
                    "the database has conversations already; make an empty one and name it with --database-url"
                );
                // For the floor and for questions to the server; as many as the backend opens itself.
                let pool = PgPoolOptions::new()
                    .max_connections(FLOOR_CONNECTIONS)
                    .connect(address)
                    .await
                    .context("the database does not open for the floor")?;
                Ok(Self {
                    backend: Backend::shared(Arc::new(postgres.clone()))
                        .inbox(Arc::new(postgres.clone())),
                    vault: Arc::new(PostgresVault::new(postgres.clone(), keyring()?)),
                    kind: Kind::Postgres(postgres, pool),
                })
            }
        }
    }

    /// The floor: the least that any bot on this kind of store does for a webhook.
    pub(crate) async fn floor(&self) -> anyhow::Result<Floor> {
        let folder = match &self.kind {
            Kind::Memory => return Ok(Floor::Memory(Mutex::default())),
            Kind::Sqlite(_, folder) => folder,
            Kind::Postgres(_, pool) => {
                sqlx::query("DROP TABLE IF EXISTS load_floor")
                    .execute(pool)
                    .await?;
                sqlx::query(
                    "CREATE TABLE load_floor (id bigserial PRIMARY KEY, body bytea NOT NULL)",
                )
                .execute(pool)
                .await
                .context("the floor's table cannot be made; the role must own the database")?;
                return Ok(Floor::Postgres(pool.clone()));
            }
        };
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.path().join(FLOOR_FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await
            .context("the floor's database does not open")?;
        sqlx::query("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
            .execute(&mut connection)
            .await
            .context("the floor's table cannot be made; name an empty folder with --data")?;
        Ok(Floor::Sqlite(Mutex::new(connection)))
    }

    /// How many connections the database has now, as far as this system tells.
    pub(crate) async fn connections(&self) -> Option<usize> {
        let sqlite = match &self.kind {
            Kind::Memory => return None,
            Kind::Sqlite(sqlite, _) => sqlite,
            Kind::Postgres(_, pool) => {
                // Without those of this program's own pool, which counts beside the bot.
                let all: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
                )
                .fetch_one(pool)
                .await
                .ok()?;
                return usize::try_from(all - i64::from(pool.size())).ok();
            }
        };
        // Linux lists open files as links; each connection has the main file open once.
        let file = sqlite.path().canonicalize().ok()?;
        let open = std::fs::read_dir("/proc/self/fd").ok()?;
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Some(targets.filter(|target| *target == file).count())
    }

    /// How much room jobs take; `None` on stores that do not tell.
    pub(crate) async fn space_of_jobs(&self) -> anyhow::Result<Option<Space>> {
        let Kind::Postgres(_, pool) = &self.kind else {
            return Ok(None);
        };
        let (table, indexes, dead): (i64, i64, i64) = sqlx::query_as(
            "SELECT pg_table_size(relid), pg_indexes_size(relid), n_dead_tup \
             FROM pg_stat_user_tables WHERE schemaname = 'fanvue_bot' AND relname = 'jobs'",
        )
        .fetch_one(pool)
        .await?;
        Ok(Some(Space {
            table: usize::try_from(table)?,
            indexes: usize::try_from(indexes)?,
            dead: usize::try_from(dead)?,
        }))
    }

    /// A queue on the same database that shares nothing with the first but what is stored, as that of another
    /// process.
    pub(crate) async fn queue_of_another_process(
        &self,
        common: &Common,
    ) -> anyhow::Result<Arc<dyn JobQueue>> {
        let address = match (&self.kind, common.database_url.as_deref()) {
            (Kind::Postgres(..), Some(address)) => address,
            _ => anyhow::bail!("only --store postgres is for several processes"),
        };
        let postgres = PostgresBackend::open(address)
            .await
            .context("the database does not open for another process")?;
        Ok(Arc::new(postgres))
    }

    /// The backend, taking events in before they are acknowledged.
    pub(crate) fn without_inbox(&self) -> Backend {
        match &self.kind {
            Kind::Postgres(postgres, _) => Backend::shared(Arc::new(postgres.clone())),
            _ => self.backend.clone(),
        }
    }

    /// Whether this store can copy conversations by itself, much faster than they can be committed.
    pub(crate) const fn copies(&self) -> bool {
        matches!(self.kind, Kind::Postgres(..))
    }

    /// Copies a conversation that has one message: so many more of its creator, with `each` messages.
    pub(crate) async fn copy(
        &self,
        like: ConversationId,
        conversations: u64,
        each: u64,
    ) -> anyhow::Result<()> {
        let Kind::Postgres(_, pool) = &self.kind else {
            anyhow::bail!("this store makes no copies");
        };
        let mut left = i64::try_from(conversations)?;
        while left > 0 {
            let some = left.min(COPIES);
            let mut transaction = pool.begin().await?;
            sqlx::query("SELECT set_config('app.creator', $1, true)")
                .bind(like.creator.to_string())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(COPY)
                .bind(like.creator.as_uuid())
                .bind(like.fan.as_uuid())
                .bind(some)
                .bind(i64::try_from(each)?)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            left -= some;
        }
        Ok(())
    }

    /// Has the server do at once what it would do about new rows sooner or later.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        if let Kind::Postgres(_, pool) = &self.kind {
            sqlx::raw_sql("VACUUM ANALYZE fanvue_bot.messages, fanvue_bot.conversations")
                .execute(pool)
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) {
        match self.kind {
            Kind::Memory => {}
            Kind::Sqlite(sqlite, _) => sqlite.close().await,
            Kind::Postgres(postgres, pool) => {
                postgres.close().await;
                pool.close().await;
            }
        }
    }
}

/// A key for data that nobody keeps.
fn keyring() -> anyhow::Result<Keyring> {
    let key = MasterKey::from_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")?;
    Ok(Keyring::new(key))
}

/// One row for each body, committed by itself and as durable as the store under load. On SQLite on one
/// connection, since it has one writer at a time however many there are; on Postgres on a pool.
#[derive(Debug)]
pub(crate) enum Floor {
    Memory(Mutex<Vec<Vec<u8>>>),
    Sqlite(Mutex<SqliteConnection>),
    Postgres(PgPool),
}

impl Floor {
    /// What it does, for the report.
    pub(crate) const fn description(&self) -> &'static str {
        match self {
            Self::Memory(_) => "append the body to a list in memory",
            Self::Sqlite(_) => "insert the body as one row, one commit each, WAL, synchronous FULL",
            Self::Postgres(_) => {
                "insert the body as one row, one commit each, prepared, on a pool of 16 connections"
            }
        }
    }

    pub(crate) async fn insert(&self, body: &[u8]) -> Result<(), sqlx::Error> {
        match self {
            Self::Memory(bodies) => bodies.lock().await.push(body.to_vec()),
            Self::Sqlite(connection) => {
                let mut connection = connection.lock().await;
                sqlx::query("INSERT INTO bodies (body) VALUES (?1)")
                    .bind(body)
                    .execute(&mut *connection)
                    .await?;
            }
            Self::Postgres(pool) => {
                sqlx::query("INSERT INTO load_floor (body) VALUES ($1)")
                    .bind(body)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }
}
