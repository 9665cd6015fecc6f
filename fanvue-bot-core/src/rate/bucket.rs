//! The arithmetic of a token bucket.

use std::time::Duration;

use crate::time::Timestamp;

/// The time in which an empty bucket fills up.
pub const WINDOW: Duration = Duration::from_micros(PER_TOKEN);

/// One token in units of [`TokenBucket::level`]. As many as the window has microseconds, so that a bucket
/// of `capacity` tokens regains exactly `capacity` units each microsecond.
pub(super) const PER_TOKEN: u64 = 60_000_000;

/// How many requests may go out now, and when the next one may.
///
/// Our view of a bucket that the server keeps. It is never fuller than the server last said, so several
/// processes that share one account keep within its limit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    capacity: u32,
    /// What is left, as of `at`.
    level: u64,
    at: Timestamp,
    held_until: Timestamp,
}

impl TokenBucket {
    /// A full bucket of `capacity` tokens (at least one) per [`WINDOW`].
    #[must_use]
    pub fn new(capacity: u32, now: Timestamp) -> Self {
        let capacity = capacity.max(1);
        Self {
            capacity,
            level: tokens(capacity),
            at: now,
            held_until: now,
        }
    }

    /// How many tokens the full bucket holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many tokens may be taken now.
    #[must_use]
    pub fn available(&self, now: Timestamp) -> u32 {
        let mut seen = self.clone();
        seen.advance(now);
        if seen.held_until > now {
            return 0;
        }
        whole(seen.level)
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long until there is one, if there is none now. Nothing is taken then.
    pub fn try_take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.advance(now);
        let missing = PER_TOKEN.saturating_sub(self.level);
        // `at` is later than `now` if the clock went back a little.
        let refill = if missing == 0 {
            Duration::ZERO
        } else {
            self.at.since(now) + Duration::from_micros(missing.div_ceil(u64::from(self.capacity)))
        };
        let wait = refill.max(self.held_until.since(now));
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.level -= PER_TOKEN;
        Ok(())
    }

    /// Learns what an answer of the server says: its `limit`, how many requests are `remaining`, and when
    /// its bucket is whole again (`reset`).
    ///
    /// The limit is adopted. `remaining` only ever lowers the level: it does not count what is on its way,
    /// and answers overtake each other. It is ignored when `reset` has passed, for then it is old. `reset`
    /// alone neither adds tokens nor takes any.
    pub fn observe(
        &mut self,
        limit: Option<u32>,
        remaining: Option<u32>,
        reset: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.advance(now);
        if let Some(limit) = limit.filter(|&limit| limit > 0) {
            let grown = tokens(limit.saturating_sub(self.capacity));
            self.capacity = limit;
            self.level = self.level.saturating_add(grown).min(tokens(limit));
        }
        let current = reset.is_none_or(|reset| reset > now);
        if let Some(remaining) = remaining.filter(|_| current) {
            self.level = self.level.min(tokens(remaining));
        }
    }

    /// Empties the bucket and gives nothing before `until`, or before the later time of an earlier hold:
    /// what an answer 429 with `Retry-After` asks for.
    pub fn hold(&mut self, until: Timestamp, now: Timestamp) {
        self.advance(now);
        self.level = 0;
        self.held_until = self.held_until.max(until);
    }

    /// Adds what came back since the last call.
    fn advance(&mut self, now: Timestamp) {
        let back = self.at.since(now);
        if back > WINDOW {
            // The system's clock was set back. Waiting for the old time could take years.
            self.held_until = self.held_until.minus(back);
            self.at = now;
        } else if back.is_zero() {
            self.level = self
                .level
                .saturating_add(regained(self.capacity, now.since(self.at)))
                .min(tokens(self.capacity));
            self.at = now;
        }
    }
}

/// This many tokens in units of the level. At most 2.6e17, so it does not overflow.
pub(super) fn tokens(count: u32) -> u64 {
    u64::from(count) * PER_TOKEN
}

/// What comes back to a bucket in this time, in units of its level.
pub(super) fn regained(capacity: u32, elapsed: Duration) -> u64 {
    let elapsed = u64::try_from(elapsed.min(WINDOW).as_micros()).unwrap_or(PER_TOKEN);
    elapsed.saturating_mul(u64::from(capacity))
}

/// The whole tokens of a level.
pub(super) fn whole(level: u64) -> u32 {
    u32::try_from(level / PER_TOKEN).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_seconds(1_767_603_600);

    fn after(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    fn emptied(capacity: u32) -> TokenBucket {
        let mut bucket = TokenBucket::new(capacity, START);
        for _ in 0..capacity {
            bucket.try_take(START).unwrap();
        }
        bucket
    }

    #[test]
    fn a_full_bucket_gives_its_capacity_at_once_and_then_evenly() {
        let mut bucket = emptied(100);
        assert_eq!(bucket.try_take(START), Err(Duration::from_millis(600)));
        assert_eq!(bucket.available(after(30)), 50);
        assert_eq!(bucket.available(after(3_600)), 100);
        assert_eq!(bucket.try_take(START + Duration::from_millis(600)), Ok(()));
    }

    #[test]
    fn a_bucket_of_nothing_holds_one() {
        let mut bucket = TokenBucket::new(0, START);
        assert_eq!(bucket.try_take(START), Ok(()));
        assert_eq!(bucket.try_take(START), Err(WINDOW));
    }

    #[test]
    fn a_higher_limit_is_used_at_once() {
        let mut bucket = emptied(100);
        bucket.observe(Some(200), None, None, START);
        assert_eq!(bucket.capacity(), 200);
        assert_eq!(bucket.available(START), 100);
    }

    #[test]
    fn a_lower_limit_is_kept() {
        let mut bucket = TokenBucket::new(100, START);
        bucket.observe(Some(60), None, None, START);
        assert_eq!(bucket.available(START), 60);
        assert_eq!(bucket.available(after(90)), 60);
    }

    #[test]
    fn what_others_used_is_believed_and_what_is_on_its_way_is_not_given_back() {
        let mut bucket = TokenBucket::new(100, START);
        bucket.observe(Some(100), Some(7), Some(after(60)), START);
        assert_eq!(bucket.available(START), 7);
        bucket.observe(Some(100), Some(90), Some(after(60)), START);
        assert_eq!(bucket.available(START), 7);
    }

    #[test]
    fn an_answer_older_than_its_reset_says_nothing_about_now() {
        let mut bucket = TokenBucket::new(100, START);
        bucket.observe(None, Some(0), Some(START), after(1));
        assert_eq!(bucket.available(after(1)), 100);
    }

    #[test]
    fn a_limit_of_zero_is_no_limit() {
        let mut bucket = TokenBucket::new(100, START);
        bucket.observe(Some(0), None, None, START);
        assert_eq!(bucket.capacity(), 100);
    }

    #[test]
    fn a_hold_lasts_and_is_not_shortened_by_a_later_one() {
        let mut bucket = TokenBucket::new(100, START);
        bucket.hold(after(90), START);
        bucket.hold(after(30), START);
        assert_eq!(bucket.try_take(after(30)), Err(Duration::from_secs(60)));
        assert_eq!(bucket.available(after(89)), 0);
        assert_eq!(bucket.try_take(after(90)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_a_year_delays_nothing() {
        let year = Duration::from_secs(365 * 86_400);
        let mut bucket = TokenBucket::new(1, START + year);
        bucket.hold(START + year + Duration::from_secs(5), START + year);
        assert_eq!(bucket.try_take(START), Err(WINDOW));
        assert_eq!(bucket.try_take(after(60)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_what_was_there_and_what_came_back(
            capacity in 1_u32..300,
            steps in prop::collection::vec(0_u64..2_000_000, 1..400),
        ) {
            let mut bucket = TokenBucket::new(capacity, START);
            let mut now = START;
            let mut taken = 0_u128;
            for step in steps {
                now = now + Duration::from_micros(step);
                taken += u128::from(bucket.try_take(now).is_ok());
                let regained = u128::from(capacity) * now.since(START).as_micros()
                    / u128::from(PER_TOKEN);
                prop_assert!(taken <= u128::from(capacity) + regained);
            }
        }

        #[test]
        fn the_wait_is_exactly_long_enough(
            capacity in 1_u32..300,
            used in 0_u32..400,
            hold in prop::option::of(0_u64..120_000_000),
            remaining in prop::option::of(0_u32..300),
        ) {
            let mut bucket = TokenBucket::new(capacity, START);
            for _ in 0..used {
                let _ = bucket.try_take(START);
            }
            if let Some(hold) = hold {
                bucket.hold(START + Duration::from_micros(hold), START);
            }
            bucket.observe(None, remaining, None, START);
            if let Err(wait) = bucket.clone().try_take(START) {
                let micro = Duration::from_micros(1);
                prop_assert!(bucket.clone().try_take(START + (wait - micro)).is_err());
                prop_assert_eq!(bucket.try_take(START + wait), Ok(()));
            }
        }

        #[test]
        fn nothing_that_a_server_says_overfills_or_breaks_it(
            reports in prop::collection::vec(
                (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<i64>>(), any::<i64>()),
                0..40,
            ),
        ) {
            let mut bucket = TokenBucket::new(100, START);
            for (limit, remaining, reset, now) in reports {
                let now = Timestamp::from_micros(now);
                bucket.observe(limit, remaining, reset.map(Timestamp::from_micros), now);
                prop_assert!(bucket.available(now) <= bucket.capacity());
                let _ = bucket.try_take(now);
            }
        }
    }
}
