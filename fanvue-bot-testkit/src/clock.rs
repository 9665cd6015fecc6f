//! A clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fanvue_bot_core::time::{Clock, Timestamp};

/// A clock that stands still until it is moved. Clones show the same time.
///
/// ```
/// use std::time::Duration;
///
/// use fanvue_bot_core::time::{Clock, Timestamp};
/// use fanvue_bot_testkit::clock::VirtualClock;
///
/// let clock = VirtualClock::at(Timestamp::from_seconds(100));
/// clock.advance(Duration::from_secs(20));
/// assert_eq!(clock.now(), Timestamp::from_seconds(120));
/// ```
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<AtomicI64>);

impl Default for VirtualClock {
    /// Half past nine (UTC) on a Monday: 2026-01-05T09:30:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_seconds(1_767_605_400))
    }
}

impl VirtualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Shows `now` from here on, also if that is earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves on by `duration` and answers with the new time.
    #[expect(clippy::must_use_candidate, reason = "moving the clock is the point")]
    pub fn advance(&self, duration: Duration) -> Timestamp {
        let moved = |now| (Timestamp::from_micros(now) + duration).as_micros();
        let before = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(moved(now)))
            .unwrap_or_else(|now| now);
        Timestamp::from_micros(moved(before))
    }

    /// Moves on to `now`; stays if that is earlier than what it shows.
    pub fn advance_to(&self, now: Timestamp) {
        self.0.fetch_max(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
