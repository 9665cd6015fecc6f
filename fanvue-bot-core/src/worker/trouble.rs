//! Work that fails as a whole: how long it is left alone, and how often that is told.

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

use super::after;
use crate::queue::{FailureNote, WorkerId};

/// How often trouble that goes on is told again.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// In which words it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) fails: &'static str,
    pub(super) works: &'static str,
}

/// Something fails, since when and until when it is left alone.
#[derive(Debug)]
pub(super) struct Trouble {
    words: Words,
    since: Instant,
    until: Instant,
    told: Option<Instant>,
}

impl Trouble {
    pub(super) fn begin(words: Words) -> Self {
        let now = Instant::now();
        Self {
            words,
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

    /// Leaves it alone for the poll time. A full disk fails several times a second until a person comes:
    /// it is told at once, and then from time to time.
    pub(super) fn put_off(
        &mut self,
        worker: &WorkerId,
        error: &(dyn Error + 'static),
        poll: Duration,
    ) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::error!(
                worker.id = %worker,
                error = %FailureNote::from_error(error),
                since.s = self.since.elapsed().as_secs(),
                "{}",
                self.words.fails
            );
        }
        self.until = after(poll);
    }

    pub(super) fn end(self, worker: &WorkerId) {
        let since = self.since.elapsed().as_secs();
        tracing::info!(worker.id = %worker, since.s = since, "{}", self.words.works);
    }
}
