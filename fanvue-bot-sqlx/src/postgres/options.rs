//! Settings of a database.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::time::{Clock, SystemClock};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool};

use super::{OpenError, Pooler, PostgresBackend, open};
use crate::settings::QueueSettings;

/// What to do about a schema that is not up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Migrations {
    /// Bring it up to date. Of several processes that start at once one does so, and the others wait for it.
    #[default]
    Run,
    /// Refuse to open. For a role that owns no table; somebody else migrates before.
    Expect,
}

/// Whose clock decides when a lease lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LeaseClock {
    /// The database server's: it is the same for all hosts.
    #[default]
    Server,
    /// The `now` that callers pass. For tests and simulations in virtual time.
    Caller,
}

/// How a process hears of jobs that others enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WakeUps {
    /// By LISTEN on a connection of its own, and by polling. Behind a [`Pooler::Transaction`] by polling only.
    #[default]
    Listen,
    /// By polling only.
    Poll,
}

/// Whose connections a back end works on.
#[derive(Clone)]
pub(super) enum Source {
    /// Its own, to this address.
    Address(String),
    /// Those of the application, which gives them and closes them.
    #[cfg_attr(
        not(feature = "sea-orm"),
        expect(dead_code, reason = "only a SeaORM connection hands a pool over")
    )]
    Pool(PgPool),
}

/// How to open a database. Every default is a setting.
#[derive(Clone)]
#[must_use = "nothing is opened before `open` is called"]
pub struct PostgresBuilder {
    pub(super) source: Source,
    /// `None` is the default.
    max_connections: Option<u32>,
    acquire_timeout: Option<Duration>,
    pub(super) call_timeout: Duration,
    pub(super) pooler: Pooler,
    pub(super) wake_ups: WakeUps,
    pub(super) notify_interval: Duration,
    pub(super) migrations: Migrations,
    pub(super) lease_clock: LeaseClock,
    pub(super) max_group: usize,
    pub(super) old_snapshot: Duration,
    pub(super) queue: QueueSettings,
    pub(super) clock: Arc<dyn Clock>,
}

impl PostgresBuilder {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            max_connections: None,
            acquire_timeout: None,
            call_timeout: Duration::from_secs(10),
            pooler: Pooler::None,
            wake_ups: WakeUps::Listen,
            notify_interval: Duration::from_millis(15),
            migrations: Migrations::Run,
            lease_clock: LeaseClock::Server,
            max_group: 256,
            old_snapshot: Duration::from_secs(300),
            queue: QueueSettings::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// At most this many connections, besides the one that listens. Default: 10. A pool that was handed over has
    /// limits of its own.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// How long an operation waits for a connection. Default: 5 s. A pool that was handed over has a time of its
    /// own.
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = Some(timeout);
        self
    }

    /// How long an operation waits for the database's answer once it has a connection. Then it fails, without saying
    /// whether it was done, and the connection is closed. Default: 10 s, so that one connection that the network
    /// lost does not cost a worker its leases; they are 30 s by default.
    pub const fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// What stands between this process and the server. Default: [`Pooler::None`].
    pub const fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// How this process hears of jobs that others enqueue. Default: [`WakeUps::Listen`].
    pub const fn wake_ups(mut self, wake_ups: WakeUps) -> Self {
        self.wake_ups = wake_ups;
        self
    }

    /// At most one NOTIFY in this time; the first is sent at once. Default: 15 ms.
    pub const fn notify_interval(mut self, interval: Duration) -> Self {
        self.notify_interval = interval;
        self
    }

    /// What to do about a schema that is not up to date. Default: [`Migrations::Run`].
    pub const fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations = migrations;
        self
    }

    /// Whose clock decides when a lease lapses. Default: [`LeaseClock::Server`].
    pub const fn lease_clock(mut self, clock: LeaseClock) -> Self {
        self.lease_clock = clock;
        self
    }

    /// At most this many operations in one transaction. Default: 256.
    pub const fn max_group(mut self, operations: usize) -> Self {
        self.max_group = operations;
        self
    }

    /// Warn when a session on the database has held a snapshot for so long: dead rows pile up meanwhile, and everything
    /// that looks for jobs becomes slower. Seen are sessions of the same role, or of all for a member of
    /// `pg_read_all_stats`. Default: 5 minutes.
    pub const fn old_snapshot(mut self, held: Duration) -> Self {
        self.old_snapshot = held;
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

    /// Connects, checks the server and the role, and brings the schema up to date.
    ///
    /// The back end works on tasks of the current tokio runtime and lives as long as that runtime.
    ///
    /// # Errors
    /// As [`OpenError`] says; the data is as it was then.
    pub async fn open(self) -> Result<PostgresBackend, OpenError> {
        self.validate()?;
        open::open(self).await
    }

    fn validate(&self) -> Result<(), OpenError> {
        let fault = |setting, reason| Err(OpenError::Setting { setting, reason });
        if self.max_connections == Some(0) {
            return fault("max_connections", "must be at least 1");
        }
        if matches!(self.source, Source::Pool(_)) {
            let reason = "belongs to the pool that was handed over: set it there";
            if self.max_connections.is_some() {
                return fault("max_connections", reason);
            }
            if self.acquire_timeout.is_some() {
                return fault("acquire_timeout", reason);
            }
        }
        match self.queue.fault(self.max_group) {
            Some((setting, reason)) => fault(setting, reason),
            None => Ok(()),
        }
    }

    pub(super) fn max_connections_or_default(&self) -> u32 {
        self.max_connections.unwrap_or(10)
    }

    pub(super) fn acquire_timeout_or_default(&self) -> Duration {
        self.acquire_timeout.unwrap_or(Duration::from_secs(5))
    }

    pub(super) fn connection(&self, address: &str) -> Result<PgConnectOptions, OpenError> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| address.starts_with(scheme))
        {
            return Err(OpenError::Address);
        }
        // What the parser says may quote the address, and with it a password.
        let options = PgConnectOptions::from_str(address).map_err(|_| OpenError::Address)?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("fanvue-bot"),
        };
        let options = match self.pooler {
            Pooler::None => options,
            // Poolers refuse parameters of a connection that they do not know.
            Pooler::Transaction => options.statement_cache_capacity(0).extra_float_digits(None),
        };
        Ok(options.disable_statement_logging())
    }
}

impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("pooler", &self.pooler)
            .field("wake_ups", &self.wake_ups)
            .field("notify_interval", &self.notify_interval)
            .field("migrations", &self.migrations)
            .field("lease_clock", &self.lease_clock)
            .field("max_group", &self.max_group)
            .field("old_snapshot", &self.old_snapshot)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Supabase's pooler tells projects apart by the name of the user.
    #[test]
    fn a_user_name_with_a_project_in_it_is_taken_as_it_is() {
        let address = "postgresql://fanvue_bot_app.abcdefghijkl:secret@host.example:6543/postgres";
        let builder = PostgresBuilder::new(Source::Address(address.to_owned()));
        let options = builder
            .pooler(Pooler::Transaction)
            .connection(address)
            .unwrap();
        assert_eq!(options.get_username(), "fanvue_bot_app.abcdefghijkl");
        assert_eq!(options.get_port(), 6543);
    }
}
