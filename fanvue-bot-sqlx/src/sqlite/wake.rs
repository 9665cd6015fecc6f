//! Waking those who wait for work: a signal within the process, the next due time, and a poll for what
//! other processes enqueued.

use std::sync::Mutex;
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fault::Fault;
use super::sql::{Values, fetch};

/// Crosses tenants: a worker serves them all. Names no tenant and reads no content.
const NEXT: &str = "SELECT min(ready_at) FROM lanes";

/// What is known about work that can be claimed.
#[derive(Debug, Default)]
pub(super) struct Signal {
    moved: Notify,
    /// The time that the last claim named, and when it did. Callers pass the time in, so this is the
    /// only clock that agrees with theirs.
    claimed: Mutex<Option<(Timestamp, Instant)>>,
}

impl Signal {
    /// A lane may be claimable earlier than before.
    pub(super) fn raise(&self) {
        self.moved.notify_waiters();
    }

    /// A claim found nothing at `now`: whatever is due later by that clock is not due yet.
    pub(super) fn claimed(&self, now: Timestamp, found: bool) {
        if let Ok(mut claimed) = self.claimed.lock() {
            *claimed = if found {
                None
            } else {
                Some((now, Instant::now()))
            };
        }
    }

    /// The time by the callers' clock, unless the last claim found work: then there may be more.
    fn now(&self) -> Option<Timestamp> {
        let (named, at) = (*self.claimed.lock().ok()?)?;
        Some(named + at.elapsed())
    }

    /// Resolves when a claim may find work.
    pub(super) async fn ready(&self, readers: &SqlitePool, poll: Duration) -> Result<(), Fault> {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            // From here on no signal is missed, so that work which comes after the look is heard of.
            moved.as_mut().enable();
            let Some(now) = self.now() else {
                return Ok(());
            };
            let wait = match next(readers).await? {
                Some(due) if due <= now => return Ok(()),
                Some(due) => due.since(now).min(poll),
                None => poll,
            };
            // Both ends of the wait lead to another look.
            let _ = tokio::time::timeout(wait, moved).await;
        }
    }
}

async fn next(readers: &SqlitePool) -> Result<Option<Timestamp>, Fault> {
    let rows = fetch(readers, NEXT, Values::default()).await?;
    let due: Option<i64> = match rows.first() {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    Ok(due.map(Timestamp::from_micros))
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[NEXT];
