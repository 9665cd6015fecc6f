//! Claims that fail: how long the queue is left alone, and how often that is told.

use std::time::Duration;

use tokio::time::Instant;

use super::after;
use crate::queue::{FailureNote, QueueError, WorkerId};

/// How often trouble that goes on is told again.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Claims fail, since when and until when the queue is left alone.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    until: Instant,
    told: Option<Instant>,
}

impl Trouble {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self {
            since: now,
            until: now,
            told: None,
        }
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// Leaves the queue alone for the poll time. A full disk fails several times a second until a person comes:
    /// it is told at once, and then from time to time.
    pub(super) fn put_off(&mut self, worker: &WorkerId, error: &QueueError, poll: Duration) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::error!(
                worker.id = %worker,
                error = %FailureNote::from_error(error),
                since.s = self.since.elapsed().as_secs(),
                "no jobs can be claimed"
            );
        }
        self.until = after(poll);
    }

    pub(super) fn end(self, worker: &WorkerId) {
        tracing::info!(worker.id = %worker, since.s = self.since.elapsed().as_secs(), "jobs can be claimed again");
    }
}
