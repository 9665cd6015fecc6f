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
const NEXT: &str = "SELECT min(ready_at) FROM lanes WHERE ready_at > ?1";

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
        let Some(idle) = signal.idle() else {
            return Ok(());
        };
        // What was ready at the claim and left out says nothing about the others.
        let after = if idle.left_out {
            idle.named.as_micros()
        } else {
            i64::MIN
        };
        let wait = match next(readers, after).await? {
            Some(due) if due <= idle.now => return Ok(()),
            Some(due) => due.since(idle.now).min(poll),
            None => poll,
        };
        let moved = tokio::time::timeout(wait, moved).await.is_ok();
        // Another's claim that found nothing since may have left out what this one is to have; and whether there is
        // something by now beside what was left out, only a claim can tell.
        if moved || idle.left_out {
            return Ok(());
        }
    }
}

async fn next(readers: &SqlitePool, after: i64) -> Result<Option<Timestamp>, Fault> {
    let rows = fetch(readers, NEXT, Values::default().int(after)?).await?;
    let due: Option<i64> = match rows.first() {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    Ok(due.map(Timestamp::from_micros))
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[NEXT];
