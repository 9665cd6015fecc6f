//! SQLite: one file, one writing task, readers beside it.
//!
//! ```text
//!  commit, enqueue, claim, complete, ...          creator, conversation, fan, messages, due, ready
//!                  │                                              │
//!                  ▼  whatever waits                              ▼
//!     ┌─────────────────────────┐                       ┌──────────────────┐
//!     │ writer: one transaction │                       │ read-only pool   │
//!     │ for all, one fsync      │                       │                  │
//!     └────────────┬────────────┘                       └────────┬─────────┘
//!                  └──────────────► file + WAL ◄─────────────────┘
//! ```
//!
//! Answers are given after the commit, so nothing acknowledged is lost, whether the process is killed or
//! the handle dropped. Several processes may share a file on one machine; they take turns at writing.
//! A file on a network share is not safe: SQLite's locks do not work there.
//!
//! What is erased, such as the words of a deleted message, is overwritten and not only forgotten. Old pages
//! remain in the write-ahead log until it is moved into the file, which [`SqliteBackend::close`] does, and
//! then removed or written over. Copies and backups are the operator's.

mod broadcasts;
mod decisions;
mod fault;
mod open;
mod options;
mod queue;
#[cfg(feature = "sea-orm")]
mod shared;
mod sql;
mod store;
mod vault;
mod wake;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::backend::{Atomicity, BackendError, CommitAndEnqueue};
use fanvue_bot_core::queue::NewJob;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{Change, StoreError};
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot};

pub use self::fault::OpenError;
pub use self::options::{SqliteBuilder, Synchronous};
pub use self::vault::SqliteVault;
use self::write::{Call, Intake, Op, Written};
use crate::change::ChangeRows;
use crate::row::JobRow;
use crate::signal::Signal;

/// A store and a queue in one SQLite file, with one transaction for both.
///
/// Cheap to clone; all clones share the file's connections. See the [module](self) for how it works.
#[derive(Clone)]
pub struct SqliteBackend(Arc<Inner>);

struct Inner {
    options: Arc<SqliteBuilder>,
    inbox: mpsc::Sender<Op>,
    readers: SqlitePool,
    signal: Arc<Signal>,
}

impl SqliteBackend {
    /// Opens the file with default settings, creates it if there is none, and brings its schema up to
    /// date.
    ///
    /// # Errors
    /// As [`OpenError`] says; the file is as it was then.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::builder(path).open().await
    }

    /// Settings for opening the file.
    pub fn builder(path: impl Into<PathBuf>) -> SqliteBuilder {
        SqliteBuilder::new(path.into())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.options.path()
    }

    /// Finishes what waits to be written, closes all connections and moves what the write-ahead log holds
    /// into the file. Every call on any clone fails from here on.
    ///
    /// Nothing acknowledged is lost without it.
    pub async fn close(&self) {
        self.0.readers.close().await;
        let (done, closed) = oneshot::channel();
        if self.0.inbox.send(Op::Close(done)).await.is_ok() {
            // The writer has gone in the meantime: closed as well.
            let _ = closed.await;
        }
    }

    fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn options(&self) -> &SqliteBuilder {
        &self.0.options
    }

    fn inbox(&self) -> &mpsc::Sender<Op> {
        &self.0.inbox
    }

    fn readers(&self) -> &SqlitePool {
        &self.0.readers
    }

    fn signal(&self) -> &Signal {
        &self.0.signal
    }

    async fn intake(
        &self,
        change: Option<(ChangeRows, Option<Revision>)>,
        jobs: &[NewJob],
    ) -> Result<Written, BackendError> {
        let jobs = jobs
            .iter()
            .map(JobRow::from_domain)
            .collect::<Result<Vec<_>, _>>()?;
        Call::make(self.inbox(), Intake { change, jobs }, Op::Intake).await
    }

    async fn commit_change(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        match self.commit_and_enqueue(change, expected, &[]).await {
            Ok(revision) => Ok(revision),
            Err(BackendError::Store(error)) => Err(error),
            Err(other) => Err(StoreError::unavailable(other)),
        }
    }
}

#[async_trait]
impl CommitAndEnqueue for SqliteBackend {
    async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError> {
        let rows = ChangeRows::from_domain(change)?;
        let written = self.intake(Some((rows, expected)), jobs).await?;
        written
            .revision
            .ok_or_else(|| StoreError::unavailable(fault::Fault::Closed).into())
    }

    fn atomicity(&self) -> Atomicity {
        Atomicity::OneTransaction
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
