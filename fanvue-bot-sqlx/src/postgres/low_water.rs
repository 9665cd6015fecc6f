//! Below which due times a claim need not look.
//!
//! A job that has ended leaves a dead row behind, for as long as some session's snapshot may still see it, and dead
//! rows are found first: they were due before all others. So claims look from a low-water mark on. It is never more
//! than a hint. Jobs that another process adds below it are found by a claim that finds nothing else, or by the next
//! look at everything, which is made once a second.

use std::sync::Mutex;
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;

/// Everything is looked at again after this much of the callers' time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far the mark stays behind the callers' time: clocks differ a little, and a commit takes a while.
const SLACK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct LowWater(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Nothing that is known of was due before.
    mark: Option<i64>,
    /// The last look at everything: which, and when by the callers' time.
    look: u64,
    looked: Option<Timestamp>,
    /// The first due time of what was added since that look began, which it may have missed.
    added: Option<i64>,
}

/// What a claim looks at.
#[derive(Debug)]
pub(super) struct Look {
    from: Option<i64>,
    now: Timestamp,
    number: u64,
}

impl Look {
    /// From which due time on; `None` for everything.
    pub(super) const fn from(&self) -> Option<i64> {
        self.from
    }
}

impl LowWater {
    /// To be asked before a claim at `now`.
    pub(super) fn look(&self, now: Timestamp) -> Look {
        let everything = Look {
            from: None,
            now,
            number: 0,
        };
        let Ok(mut state) = self.0.lock() else {
            return everything;
        };
        let recent = state
            .looked
            .is_some_and(|looked| looked <= now && now.since(looked) < LOOK_EVERY);
        if recent && state.mark.is_some() {
            return Look {
                from: state.mark,
                ..everything
            };
        }
        state.look += 1;
        state.looked = Some(now);
        state.added = None;
        Look {
            number: state.look,
            ..everything
        }
    }

    /// Of all jobs that `look` saw, the first was or is due at `oldest`.
    pub(super) fn found(&self, look: &Look, oldest: Option<i64>) {
        let Ok(mut state) = self.0.lock() else {
            return;
        };
        // Of looks at the same time only the last knows what was added since.
        if look.number == state.look && look.number > 0 {
            let recently = look.now.minus(SLACK).as_micros();
            let known = [oldest, state.added].into_iter().flatten();
            state.mark = Some(known.fold(recently, i64::min));
        }
    }

    /// A job was added that is due at `due`.
    pub(super) fn lower(&self, due: i64) {
        if let Ok(mut state) = self.0.lock() {
            state.mark = state.mark.map(|mark| mark.min(due));
            state.added = Some(state.added.map_or(due, |added| added.min(due)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000 + millis * 1_000)
    }

    fn micros(millis: i64) -> i64 {
        at(millis).as_micros()
    }

    #[test]
    fn claims_look_from_the_oldest_job_on_and_at_everything_once_a_second() {
        let water = LowWater::default();
        let first = water.look(at(0));
        assert_eq!(first.from(), None);
        water.found(&first, Some(micros(-5_000)));
        assert_eq!(water.look(at(10)).from(), Some(micros(-5_000)));
        assert_eq!(water.look(at(999)).from(), Some(micros(-5_000)));
        assert_eq!(water.look(at(1_000)).from(), None);
    }

    #[test]
    fn the_mark_stays_behind_the_time_though_all_jobs_are_due_later() {
        for oldest in [None, Some(micros(60_000))] {
            let water = LowWater::default();
            let look = water.look(at(0));
            water.found(&look, oldest);
            assert_eq!(water.look(at(10)).from(), Some(micros(-1_000)));
        }
    }

    #[test]
    fn a_job_that_this_process_adds_lowers_the_mark() {
        let water = LowWater::default();
        let look = water.look(at(0));
        water.found(&look, Some(micros(-5_000)));
        water.lower(micros(-70_000));
        water.lower(micros(-60_000));
        assert_eq!(water.look(at(10)).from(), Some(micros(-70_000)));
    }

    #[test]
    fn a_job_that_is_added_during_a_look_counts_whatever_the_look_has_seen() {
        let water = LowWater::default();
        let look = water.look(at(0));
        water.lower(micros(-70_000));
        water.found(&look, Some(micros(-5_000)));
        assert_eq!(water.look(at(10)).from(), Some(micros(-70_000)));
    }

    #[test]
    fn of_two_looks_at_the_same_time_the_last_counts() {
        let water = LowWater::default();
        let first = water.look(at(0));
        water.lower(micros(-70_000));
        let second = water.look(at(1));
        water.found(&second, Some(micros(-70_000)));
        water.found(&first, Some(micros(-5_000)));
        assert_eq!(water.look(at(10)).from(), Some(micros(-70_000)));
    }

    #[test]
    fn time_that_goes_back_has_everything_looked_at() {
        let water = LowWater::default();
        let look = water.look(at(0));
        water.found(&look, None);
        assert_eq!(water.look(at(-10)).from(), None);
    }
}
