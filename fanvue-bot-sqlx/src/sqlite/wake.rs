//! Waking those who wait for work: a signal within the process, the next due time, and a poll for what
//! other processes enqueued.

use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;

use super::fault::Fault;
use super::sql::{Values, fetch};
use crate::signal::Signal;

/// Crosses tenants: a worker serves them all. Names no tenant and reads no content.
const NEXT: &str = "SELECT min(ready_at) FROM lanes";

/// Resolves when a claim may find work.
pub(super) async fn ready(
    signal: &Signal,
    readers: &SqlitePool,
    poll: Duration,
) -> Result<(), Fault> {
    loop {
        let mut moved = std::pin::pin!(signal.moved());
        // From here on no signal is missed, so that work which comes after the look is heard of.
        moved.as_mut().enable();
        let Some(now) = signal.idle_at() else {
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
