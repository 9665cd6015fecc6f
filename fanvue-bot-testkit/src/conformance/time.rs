//! Whose clock decides leases, and how a case lets one lapse.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fanvue_bot_core::time::{Clock, SystemClock, Timestamp};

use super::given;

/// Whose clock decides when a lease lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the caller's or the server's")]
pub enum LeaseClock {
    /// The `now` that callers pass.
    #[default]
    Caller,
    /// The database server's, whatever callers pass.
    Server,
}

/// The time of one case. Clones share it.
#[derive(Debug, Clone)]
pub struct Time {
    clock: LeaseClock,
    virtual_now: Arc<AtomicI64>,
}

impl Time {
    /// Half past nine on [`given::at`]'s day, or the real time if the server decides leases.
    #[must_use]
    pub fn new(clock: LeaseClock) -> Self {
        Self {
            clock,
            virtual_now: Arc::new(AtomicI64::new(given::at(0).as_micros())),
        }
    }

    /// What to pass as `now`.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.clock {
            LeaseClock::Caller => Timestamp::from_micros(self.virtual_now.load(Ordering::SeqCst)),
            LeaseClock::Server => SystemClock.now(),
        }
    }

    /// A lease that no case outlasts.
    #[must_use]
    pub const fn long(&self) -> Duration {
        Duration::from_secs(600)
    }

    /// A lease that [`Time::outlast`] outlasts; long enough for a few calls to a database under load.
    #[must_use]
    pub const fn short(&self) -> Duration {
        match self.clock {
            LeaseClock::Caller => Duration::from_secs(30),
            LeaseClock::Server => Duration::from_millis(400),
        }
    }

    /// Lets exactly [`Time::short`] pass, or a little more where time is real.
    pub async fn outlast(&self) {
        match self.clock {
            LeaseClock::Caller => {
                self.advance(self.short());
            }
            LeaseClock::Server => {
                tokio::time::sleep(self.short() + Duration::from_millis(50)).await;
            }
        }
    }

    /// Lets a part of a short lease pass; real time passes by itself.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.virtual_now.fetch_add(micros, Ordering::SeqCst);
    }

    /// Asserts that a lease of `length` taken at `now` ends at `until`: exactly, or where the server's
    /// clock decides within 5 s.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_ends(&self, until: Timestamp, now: Timestamp, length: Duration) {
        let expected = now + length;
        let tolerance = match self.clock {
            LeaseClock::Caller => Duration::ZERO,
            LeaseClock::Server => Duration::from_secs(5),
        };
        let off = until.since(expected).max(expected.since(until));
        assert!(
            off <= tolerance,
            "the lease ends at {until}, expected {expected}"
        );
    }
}
