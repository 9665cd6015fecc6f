//! Postgres: any number of processes on any number of hosts share one database, and nothing else.
//!
//! ```text
//!   enqueue, complete, ...               claim, extend, reads, ...
//!           │                                      │
//!           ▼  whatever waits is one call          ▼  one call each
//!     ┌───────────┐                          ┌──────────┐     LISTEN    ┌──────────┐
//!     │  groups   ├─────────► pool ◄─────────┤          │   ┌──────────►│ listener │
//!     └───────────┘             │            └──────────┘   │           └──────────┘
//!                               ▼                           │
//!         functions of the schema `fanvue_bot`, which set the tenant; row level security behind them
//! ```
//!
//! Every operation is one call of one function of the database: one statement, one transaction, one round trip.
//! The function sets the tenant before it touches a row, or says for which narrow purpose it reaches across
//! tenants. Row level security is forced, so that a statement that forgot its tenant sees no row; a role for which
//! it does not hold is refused. Answers are given after the commit, so nothing acknowledged is lost.
//!
//! # The role
//!
//! [`ROLES`] is a script that makes what an operator needs: a role that owns the tables and migrates, and one that
//! the bot works with. One role may be both. Neither is a superuser, and no step needs one, so it runs on hosted
//! databases too; Supabase's own `postgres` role bypasses row level security and is refused;
//! docs/guides/supabase.md in the repository has the steps there.
//!
//! # Poolers
//!
//! Behind a pooler in transaction mode set [`Pooler::Transaction`]: nothing is kept on a connection then.
//! Migrations may run through it.

mod broadcasts;
mod claim;
mod decisions;
mod fault;
mod group;
mod inbox;
mod intake;
mod low_water;
mod open;
mod options;
mod queue;
#[cfg(feature = "sea-orm")]
mod shared;
mod sql;
mod store;
mod text;
mod vault;
mod wake;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::backend::{Atomicity, BackendError, CommitAndEnqueue};
use fanvue_bot_core::queue::NewJob;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{Change, StoreError};
use tokio::task::JoinHandle;

use self::fault::Fault;
pub use self::fault::OpenError;
use self::inbox::Keeping;
use self::intake::{Intake, Intakes, Written};
use self::options::Source;
pub use self::options::{LeaseClock, Migrations, PostgresBuilder, WakeUps};
use self::queue::Completions;
use self::sql::Database;
pub use self::sql::Pooler;
pub use self::vault::PostgresVault;
use self::wake::Shared;
use crate::change::ChangeRows;
use crate::row::JobRow;
use crate::signal::Signal;

/// The script that makes the roles which a deployment needs; what it does stands in it.
pub const ROLES: &str = include_str!("postgres/roles.sql");

/// A store and a queue in one Postgres database, with one transaction for both.
///
/// Cheap to clone; all clones share the connections. See the [module](self) for how it works.
#[derive(Clone)]
pub struct PostgresBackend(Arc<Inner>);

struct Inner {
    options: Arc<PostgresBuilder>,
    database: Database,
    shared: Arc<Shared>,
    intakes: Intakes,
    completions: Completions,
    keeping: Keeping,
    tasks: Vec<JoinHandle<()>>,
}

impl PostgresBackend {
    /// Opens the database at `address`, such as `postgres://role:password@host:5432/database`, with default
    /// settings, and brings its schema up to date.
    ///
    /// # Errors
    /// As [`OpenError`] says; the data is as it was then.
    pub async fn open(address: impl Into<String>) -> Result<Self, OpenError> {
        Self::builder(address).open().await
    }

    /// Settings for opening the database at `address`.
    pub fn builder(address: impl Into<String>) -> PostgresBuilder {
        PostgresBuilder::new(Source::Address(address.into()))
    }

    /// Finishes what is under way and closes all connections, but for those of a pool that was handed over. Every
    /// call on any clone fails from here on.
    ///
    /// Nothing acknowledged is lost without it.
    pub async fn close(&self) {
        for task in &self.0.tasks {
            task.abort();
        }
        self.0.database.close().await;
    }

    fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn options(&self) -> &PostgresBuilder {
        &self.0.options
    }

    fn database(&self) -> &Database {
        &self.0.database
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    fn signal(&self) -> &Signal {
        &self.0.shared.signal
    }

    fn completions(&self) -> &Completions {
        &self.0.completions
    }

    fn keeping(&self) -> &Keeping {
        &self.0.keeping
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
        match self.0.intakes.ask(Intake { change, jobs }).await {
            Some(outcome) => outcome,
            None => Err(Fault::Closed.into()),
        }
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
impl CommitAndEnqueue for PostgresBackend {
    async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError> {
        let rows = ChangeRows::from_domain(change)?;
        let written = self.intake(Some((rows, expected)), jobs).await?;
        written.revision.ok_or_else(|| Fault::Closed.into())
    }

    fn atomicity(&self) -> Atomicity {
        Atomicity::OneTransaction
    }
}

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBackend")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
