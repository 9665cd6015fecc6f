//! Waking those who wait for work: a signal within the process, NOTIFY and LISTEN between processes, the next due
//! time, and a poll in case that one of them was missed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::fault::Fault;
use super::micros;
use super::options::{LeaseClock, PostgresBuilder};
use super::sql::{Columns, Database, Values};
use crate::signal::Signal;

/// On which those listen who wait for jobs. Carries nothing.
const CHANNEL: &str = "fanvue_bot_jobs";

const NOTIFY: &str = "SELECT pg_notify('fanvue_bot_jobs', '')";

const NEXT_DUE: &str = "SELECT fanvue_bot.next_due($1)";

/// How long a connection that listens stays away after it could not be made.
const RECONNECT: Duration = Duration::from_secs(1);

/// What the tasks and the operations of a process tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) signal: Signal,
    /// Other processes are to be told of new jobs.
    tell: Notify,
    /// The latest time that a caller named; enqueueing names none.
    latest: AtomicI64,
    /// When ended keys were last looked for, in the callers' time.
    purged: AtomicI64,
    /// The creator whose lane was claimed last. Losing it costs nothing but a little fairness.
    cursor: Mutex<Option<Uuid>>,
}

impl Shared {
    /// Jobs were added that may be due before anybody looks by himself.
    pub(super) fn added(&self) {
        self.signal.raise();
        self.tell.notify_one();
    }

    /// Notes what time it is for a caller.
    pub(super) fn see(&self, now: Timestamp) {
        self.latest.fetch_max(now.as_micros(), Ordering::Relaxed);
    }

    /// By which time keys are taken or free: the server's, or as callers named it last.
    pub(super) fn keys_now(&self, options: &PostgresBuilder) -> Option<i64> {
        match options.lease_clock {
            LeaseClock::Server => None,
            LeaseClock::Caller => Some(self.latest.load(Ordering::Relaxed)),
        }
    }

    /// Whether `interval` has passed since this last said so.
    pub(super) fn purge_is_due(&self, now: Timestamp, interval: Duration) -> bool {
        let (now, last) = (now.as_micros(), self.purged.load(Ordering::Relaxed));
        now.saturating_sub(last) >= micros(interval)
            && self
                .purged
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn cursor(&self) -> Option<Uuid> {
        *self.cursor.lock().ok()?
    }

    pub(super) fn set_cursor(&self, creator: Option<Uuid>) {
        if let Ok(mut cursor) = self.cursor.lock() {
            *cursor = creator;
        }
    }
}

/// Tells other processes of new jobs, at once, and then at most once in `interval`. A NOTIFY takes a lock that
/// all databases of the server share, so it is kept out of the transactions that it speaks of.
pub(super) fn notify(
    database: &Database,
    shared: &Arc<Shared>,
    interval: Duration,
) -> JoinHandle<()> {
    let (database, shared) = (database.clone(), Arc::clone(shared));
    tokio::spawn(async move {
        loop {
            shared.tell.notified().await;
            if let Err(fault) = database.call(NOTIFY, Values::default()).await {
                // They look by themselves soon.
                tracing::debug!(%fault, "others could not be told of new jobs");
            }
            tokio::time::sleep(interval).await;
        }
    })
}

/// Listens on a connection of its own.
pub(super) fn listen(options: PgConnectOptions, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        loop {
            if let Err(error) = hear(&pool, &shared).await {
                let fault = Fault::from(error);
                tracing::warn!(%fault, "not listening for new jobs; until that works they are polled for");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    })
}

async fn hear(pool: &sqlx::postgres::PgPool, shared: &Shared) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Nothing for a lost connection: what was told meanwhile is unknown, so it counts as told.
        listener.try_recv().await?;
        shared.signal.raise();
    }
}

/// Resolves when a claim may find work, or when it is time to poll.
pub(super) async fn ready(
    database: &Database,
    signal: &Signal,
    poll: Duration,
) -> Result<(), Fault> {
    let mut moved = std::pin::pin!(signal.moved());
    // From here on no signal is missed, so that work which comes after the look is heard of.
    moved.as_mut().enable();
    let Some(now) = signal.idle_at() else {
        return Ok(());
    };
    let wait = match next_due(database, now).await? {
        Some(due) => due.since(now).min(poll),
        None => poll,
    };
    // Both ends of the wait are worth a claim.
    let _ = tokio::time::timeout(wait, moved).await;
    Ok(())
}

async fn next_due(database: &Database, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let rows = database
        .call(NEXT_DUE, Values::default().add(now.as_micros())?)
        .await?;
    let due: Option<i64> = match rows.first() {
        Some(row) => Columns::new(row, "jobs").get(0, "due_at")?,
        None => None,
    };
    Ok(due.map(Timestamp::from_micros))
}
