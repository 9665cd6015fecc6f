//! What to do after a failure: one vocabulary for every port's errors.

use std::time::Duration;

use crate::entropy::Seed;

/// What a caller should do after an error. Every port's error answers with one, and nothing else in
/// the library decides whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "callers must handle every kind of advice"
)]
pub enum Retry {
    /// The same call fails in the same way.
    Never,
    /// Transient, and repeating is harmless: try again, later each time.
    Backoff,
    /// Try again after this long, not sooner.
    After(Duration),
    /// The outcome is unknown or the caller's view is stale: re-read the truth before anything else.
    Reconcile,
}

/// How long to wait between attempts: doubling from `base` up to `cap`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait after the first failure, before jitter.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// Attempts in all, the first included; after that many the work is given up.
    pub attempts: u32,
}

impl Default for Backoff {
    /// 2 s doubling to 10 min, 30 attempts: about three and a half hours in all. An outage of a model's
    /// provider or of Fanvue rarely lasts longer, and a fan whose answer comes late was still answered.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(2),
            cap: Duration::from_secs(600),
            attempts: 30,
        }
    }
}

impl Backoff {
    /// Waits of `base` doubling up to `cap`, for `attempts` attempts in all.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration, attempts: u32) -> Self {
        Self {
            base,
            cap,
            attempts,
        }
    }

    /// The wait after failed attempt number `attempt` (from 1): between half and all of the doubled
    /// base, drawn from `seed` so that many conversations failing at once do not return at once.
    #[must_use]
    pub fn delay(&self, attempt: u32, seed: Seed) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let full = u64::try_from(full.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(seed.derive("backoff").in_range(full / 2, full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60), 5);
        for (attempt, full) in [(1, 2), (2, 4), (3, 8), (6, 60), (90, 60)] {
            let delay = backoff.delay(attempt, Seed::new(u64::from(attempt)));
            assert!(delay <= Duration::from_secs(full), "{attempt}: {delay:?}");
            assert!(
                delay >= Duration::from_secs(full) / 2,
                "{attempt}: {delay:?}"
            );
        }
    }
}
