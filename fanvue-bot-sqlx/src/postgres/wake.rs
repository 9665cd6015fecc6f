//! Waking those who wait for work: a signal within the process, NOTIFY and LISTEN between processes, the next due
//! time, and a poll in case that one of them was missed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::fault::Fault;
use super::low_water::LowWater;
use super::options::{LeaseClock, PostgresBuilder};
use super::sql::{Database, Values};
use crate::settings::micros;
use crate::signal::Signal;

/// On which those listen who wait for jobs or events. Carries nothing.
const CHANNEL: &str = "fanvue_bot_jobs";

/// Not waiting for the disk: there is nothing to be found after a crash.
const NOTIFY: &str =
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify('fanvue_bot_jobs', '')";

/// How often the same warning is given, in the callers' time.
const WARN_EVERY: Duration = Duration::from_secs(600);

/// How long a connection that listens stays away after it could not be made.
const RECONNECT: Duration = Duration::from_secs(1);

/// What the tasks and the operations of a process tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) signal: Signal,
    /// Events were kept.
    pub(super) kept: Kept,
    /// Other processes are to be told of new jobs or events.
    tell: Notify,
    /// The latest time that a caller named; enqueueing names none.
    latest: AtomicI64,
    /// Below which due times a claim need not look.
    pub(super) low_water: LowWater,
    /// When the first job comes due after those that the last claim could have found.
    next_due: Mutex<Option<i64>>,
    /// When upkeep was last done, and when a warning was last given, in the callers' time.
    kept_up: AtomicI64,
    warned: AtomicI64,
    /// The creator whose lane was claimed last.
    pub(super) claimed: Cursor,
    /// The creator whose event was listed last.
    pub(super) taken_in: Cursor,
}

/// The creator with whom a walk over all of them stopped. Losing it costs nothing but a little fairness.
#[derive(Debug, Default)]
pub(super) struct Cursor(Mutex<Option<Uuid>>);

impl Cursor {
    pub(super) fn get(&self) -> Option<Uuid> {
        *self.0.lock().ok()?
    }

    pub(super) fn set(&self, creator: Option<Uuid>) {
        if let Ok(mut cursor) = self.0.lock() {
            *cursor = creator;
        }
    }
}

/// That events were kept in this process since somebody looked last.
#[derive(Debug, Default)]
pub(super) struct Kept(Notify);

impl Kept {
    pub(super) fn raise(&self) {
        self.0.notify_one();
    }

    /// Resolves after a [`Kept::raise`], also one before the call.
    pub(super) async fn raised(&self) {
        self.0.notified().await;
    }
}

impl Shared {
    /// Jobs were added, the first of them due at `due`, which may be before anybody looks by himself.
    pub(super) fn added(&self, due: i64) {
        self.low_water.lower(due);
        self.signal.raise();
        self.tell.notify_one();
    }

    /// Events were kept.
    pub(super) fn kept_more(&self) {
        self.kept.raise();
        self.tell.notify_one();
    }

    /// Others may have added jobs or kept events.
    fn hear(&self) {
        self.signal.raise();
        self.kept.raise();
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

    /// Whether upkeep was last done `interval` ago or longer; then it counts as done now.
    pub(super) fn upkeep_is_due(&self, now: Timestamp, interval: Duration) -> bool {
        passed(&self.kept_up, now, interval)
    }

    /// Upkeep left something to do, so it is due again at once.
    pub(super) fn upkeep_is_not_over(&self) {
        self.kept_up.store(0, Ordering::Relaxed);
    }

    /// Whether the last warning was given long enough ago; then one counts as given now.
    pub(super) fn may_warn(&self, now: Timestamp) -> bool {
        passed(&self.warned, now, WARN_EVERY)
    }

    pub(super) fn set_next_due(&self, due: Option<i64>) {
        if let Ok(mut next) = self.next_due.lock() {
            *next = due;
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.next_due.lock().ok()?.map(Timestamp::from_micros)
    }
}

/// Whether `interval` has passed since the time in `last`, which is now then.
fn passed(last: &AtomicI64, now: Timestamp, interval: Duration) -> bool {
    let (now, before) = (now.as_micros(), last.load(Ordering::Relaxed));
    now.saturating_sub(before) >= micros(interval)
        && last
            .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

/// Tells other processes of new jobs and events, at once, and then at most once in `interval`. A NOTIFY takes a lock that
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

/// Listens on a connection of its own, and asks whether it is still there when nothing was heard for `patience`.
pub(super) fn listen(
    options: PgConnectOptions,
    shared: &Arc<Shared>,
    patience: Duration,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            if let Err(fault) = hear(options.clone(), &shared, patience).await {
                tracing::warn!(%fault, "not listening for new jobs; until that works they are polled for");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    })
}

async fn hear(options: PgConnectOptions, shared: &Shared, patience: Duration) -> Result<(), Fault> {
    // Anew each time: a connection that does not answer keeps its place in its pool.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    // What was told while nobody listened is unknown, so it counts as told.
    shared.hear();
    loop {
        match timeout(patience, listener.try_recv()).await {
            Ok(heard) => {
                // Nothing for a lost connection, which has been replaced.
                heard?;
                shared.hear();
            }
            Err(_elapsed) => {
                // Nobody enqueued, or the network has lost the connection and told nobody.
                let asked = timeout(patience, listener.execute("SELECT 1")).await;
                asked.map_err(|_elapsed| Fault::NoAnswer)??;
            }
        }
    }
}

/// Resolves when a claim may find work, or when it is time to poll.
pub(super) async fn ready(shared: &Shared, poll: Duration) {
    let mut moved = std::pin::pin!(shared.signal.moved());
    // From here on no signal is missed, so that work which comes after the look is heard of.
    moved.as_mut().enable();
    let Some(idle) = shared.signal.idle() else {
        return;
    };
    // The claim that found nothing has told.
    let wait = match shared.next_due() {
        Some(due) => due.since(idle.now).min(poll),
        None => poll,
    };
    // Both ends of the wait are worth a claim.
    let _ = tokio::time::timeout(wait, moved).await;
}
