//! Settings of a database file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::time::{Clock, SystemClock};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::{OpenError, SqliteBackend, open};
use crate::settings::QueueSettings;

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// When the disk has it: nothing acknowledged is lost when the machine loses power.
    #[default]
    Full,
    /// When the operating system has it: nothing acknowledged is lost when the process dies, but the
    /// last moments may be when the machine does. For tests and for data that can be lost.
    Normal,
}

/// Whose tables the file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// Ours alone: a path that is mistyped must not end in somebody's file.
    Own,
    /// Those of the application that handed the file over, too.
    #[cfg_attr(
        not(feature = "sea-orm"),
        expect(dead_code, reason = "only a SeaORM connection hands a file over")
    )]
    BesideOthers,
}

/// How to open a database file. Every default is a setting.
#[derive(Clone)]
#[must_use = "nothing is opened before `open` is called"]
pub struct SqliteBuilder {
    pub(super) path: PathBuf,
    pub(super) tables: Tables,
    pub(super) synchronous: Synchronous,
    pub(super) busy_timeout: Duration,
    pub(super) readers: u32,
    pub(super) max_bytes: Option<u64>,
    pub(super) max_group: usize,
    pub(super) queue: QueueSettings,
    pub(super) clock: Arc<dyn Clock>,
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            tables: Tables::Own,
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            max_bytes: None,
            max_group: 256,
            queue: QueueSettings::default(),
            clock: Arc::new(SystemClock),
        }
    }

    #[cfg(feature = "sea-orm")]
    pub(super) fn beside_others(mut self) -> Self {
        self.tables = Tables::BesideOthers;
        self
    }

    /// When a commit counts as durable. Default: [`Synchronous::Full`].
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long to wait for another process that is writing. Default: 5 s.
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// At most this many connections that read. Default: 4; each is a thread. There is always one
    /// connection that writes.
    pub const fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// The largest that the file may grow; a write beyond fails and changes nothing. Default: no limit.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// At most this many operations in one transaction. Default: 256.
    pub const fn max_group(mut self, operations: usize) -> Self {
        self.max_group = operations;
        self
    }

    /// How long an idempotency key stays taken after its job ended. Default: 1 day.
    pub const fn idempotency_retention(mut self, retention: Duration) -> Self {
        self.queue.idempotency_retention = retention;
        self
    }

    /// At most this many jobs of one lane in one claim. Default: 100.
    pub const fn lane_cap(mut self, jobs: usize) -> Self {
        self.queue.lane_cap = jobs;
        self
    }

    /// All settings of the queue at once.
    pub const fn queue(mut self, settings: QueueSettings) -> Self {
        self.queue = settings;
        self
    }

    /// Where the time in the ids of new jobs comes from. Default: the system's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the file, creates it if there is none, and brings its schema up to date. Several processes
    /// may do so at the same time.
    ///
    /// The back end writes on a task of the current tokio runtime and lives as long as that runtime.
    ///
    /// # Errors
    /// As [`OpenError`] says; the file is as it was then.
    pub async fn open(self) -> Result<SqliteBackend, OpenError> {
        self.validate()?;
        open::open(self).await
    }

    fn validate(&self) -> Result<(), OpenError> {
        let fault = |setting, reason| Err(OpenError::Setting { setting, reason });
        if self.readers == 0 {
            return fault("readers", "must be at least 1");
        }
        if i32::try_from(self.busy_timeout.as_millis()).is_err() {
            return fault("busy_timeout", "must be less than 24 days");
        }
        match self.queue.fault(self.max_group) {
            Some((setting, reason)) => fault(setting, reason),
            None => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How the one writing connection is opened. The pragmas are part of opening, so that no connection
    /// is ever without them.
    pub(super) fn writer(&self) -> SqliteConnectOptions {
        let mut options = self
            .common()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("temp_store", "MEMORY")
            // Otherwise what a deleted message said stays readable in the unused space of the file.
            .pragma("secure_delete", "ON")
            .synchronous(match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
            });
        if let Some(bytes) = self.max_bytes {
            options = options.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string());
        }
        options
    }

    pub(super) fn reader(&self) -> SqliteConnectOptions {
        self.common()
            .read_only(true)
            .pragma("cache_size", READER_CACHE)
    }

    fn common(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(self.busy_timeout)
            .statement_cache_capacity(256)
            .row_buffer_size(1_024)
            .foreign_keys(true)
            .disable_statement_logging()
    }
}

/// 32 MiB: a group changes pages all over the file, which must not be read again for each.
const WRITER_CACHE: &str = "-32768";

/// 512 KiB: every commit empties it, and a read touches few pages.
const READER_CACHE: &str = "-512";

/// 32 MiB of write-ahead log: a page that changes often is moved into the file once in that time.
const CHECKPOINT_PAGES: &str = "8192";

/// SQLite's default page.
const PAGE_BYTES: u64 = 4_096;

impl fmt::Debug for SqliteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBuilder")
            .field("path", &self.path)
            .field("synchronous", &self.synchronous)
            .field("busy_timeout", &self.busy_timeout)
            .field("readers", &self.readers)
            .field("max_bytes", &self.max_bytes)
            .field("max_group", &self.max_group)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
