//! Settings that every back end has.

use std::time::Duration;

/// How a queue behaves. Every default is a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueSettings {
    /// How long an idempotency key stays taken after its job ended. Default: 1 day, longer than any
    /// webhook is delivered again.
    pub idempotency_retention: Duration,
    /// At most this many jobs of one lane in one claim. Default: 100; a lane rarely holds ten.
    pub lane_cap: usize,
    /// The longest that `ready` sleeps before it looks for jobs that other processes enqueued.
    /// Default: 1 s.
    pub poll_interval: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            idempotency_retention: Duration::from_secs(86_400),
            lane_cap: 100,
            poll_interval: Duration::from_secs(1),
        }
    }
}

impl QueueSettings {
    /// The first setting that cannot work, and why, for a back end that puts up to `max_group` operations into one
    /// transaction.
    pub(crate) const fn fault(&self, max_group: usize) -> Option<(&'static str, &'static str)> {
        if max_group == 0 {
            return Some(("max_group", "must be at least 1"));
        }
        if self.lane_cap == 0 {
            return Some(("lane_cap", "must be at least 1, or no job is ever claimed"));
        }
        if self.poll_interval.is_zero() {
            return Some(("poll_interval", "must be more than 0"));
        }
        None
    }
}

/// How long `duration` is in microseconds; saturates.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
