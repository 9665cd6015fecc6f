//! Forgetting idempotency keys whose retention is over, a few at a time.

use super::Transaction;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute};

const PURGE: &str = "\
    DELETE FROM job_keys WHERE seq IN (\
        SELECT seq FROM job_keys \
        WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";

/// Keys are looked for again after this much of the callers' time, or after as many ended jobs.
const EVERY_MICROS: i64 = 1_000_000;
const EVERY_ENDED: i64 = 1_000;

/// When keys were last looked for, in the callers' time.
pub(super) struct Purge {
    /// The latest time that a caller named; enqueueing names none.
    pub(super) now: i64,
    last: i64,
    ended: i64,
}

impl Default for Purge {
    fn default() -> Self {
        Self {
            now: i64::MIN,
            last: i64::MIN,
            ended: 0,
        }
    }
}

impl Purge {
    /// Notes what time it is for a caller.
    pub(super) fn see(&mut self, now: i64) {
        self.now = self.now.max(now);
    }

    /// Notes that jobs have ended.
    pub(super) fn ended(&mut self, jobs: usize) {
        self.ended = self
            .ended
            .saturating_add(i64::try_from(jobs).unwrap_or(i64::MAX));
    }
}

impl Transaction<'_> {
    /// Forgets up to twice as many keys as jobs have ended since the last time, so that keys do not
    /// pile up and no transaction takes long.
    pub(super) async fn purge(&mut self) -> Result<(), Fault> {
        let purge = &mut self.state.purge;
        let waited = purge.now.saturating_sub(purge.last) >= EVERY_MICROS;
        if purge.now == i64::MIN || !(waited || purge.ended >= EVERY_ENDED) {
            return Ok(());
        }
        let limit = purge.ended.saturating_mul(2).saturating_add(100);
        let now = purge.now;
        purge.last = now;
        purge.ended = 0;
        execute(
            self.connection,
            PURGE,
            Values::default().int(now)?.int(limit)?,
        )
        .await
        .map(drop)
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PURGE];
