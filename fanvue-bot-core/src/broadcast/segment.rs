//! Who gets a broadcast.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::FanList;
use crate::ledger::Stage;
use crate::money::Cents;
use crate::settings::{Faults, Nearest};
use crate::time::Timestamp;

/// The longest time that a filter asks for.
const LONGEST: Duration = Duration::from_secs(5 * 365 * 86_400);
/// The most lists of a segment.
const MOST_LISTS: u64 = 20;
/// The most that a filter by money asks for: $10,000,000.
const MOST_SPENT: i64 = 1_000_000_000;

/// Who gets a broadcast: whoever is in one of the included lists, in none of the excluded ones, and passes all
/// filters.
///
/// Lists are Fanvue's, and are read when the broadcast is made and again when it begins. Filters go by what is
/// stored here, and are asked right before each fan's turn comes. A fan of whom nothing is stored never wrote, is new
/// and has paid nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Segment {
    /// In at least one of these.
    pub include: Vec<FanList>,
    /// In none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<FanList>,
    /// Whose last message came within this time.
    #[serde(
        with = "crate::settings::millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub active_within: Option<Duration>,
    /// Who wrote nothing within this time.
    #[serde(
        with = "crate::settings::millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub silent_for: Option<Duration>,
    /// At one of these stages, by the creator's [`Stages`](crate::settings::Stages); empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Who has paid at least so much, less what they got back: the greatest total in one currency, as
    /// [`Spend::greatest_total`](crate::ledger::Spend::greatest_total) has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_at_least: Option<Cents>,
    /// Who has paid at most so much, counted alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_at_most: Option<Cents>,
}

impl Segment {
    /// Whoever is in one of these lists.
    #[must_use]
    pub fn of(include: impl Into<Vec<FanList>>) -> Self {
        Self {
            include: include.into(),
            ..Self::default()
        }
    }

    /// Without those in these lists.
    #[must_use]
    pub fn without(mut self, exclude: impl Into<Vec<FanList>>) -> Self {
        self.exclude = exclude.into();
        self
    }

    /// Of those only who wrote within this time.
    #[must_use]
    pub const fn active_within(mut self, time: Duration) -> Self {
        self.active_within = Some(time);
        self
    }

    /// Of those only who wrote nothing within this time.
    #[must_use]
    pub const fn silent_for(mut self, time: Duration) -> Self {
        self.silent_for = Some(time);
        self
    }

    /// Of those only who are at one of these stages.
    #[must_use]
    pub fn stages(mut self, stages: impl Into<Vec<Stage>>) -> Self {
        self.stages = stages.into();
        self
    }

    /// Of those only who have paid at least so much.
    #[must_use]
    pub const fn spent_at_least(mut self, cents: Cents) -> Self {
        self.spent_at_least = Some(cents);
        self
    }

    /// Of those only who have paid at most so much.
    #[must_use]
    pub const fn spent_at_most(mut self, cents: Cents) -> Self {
        self.spent_at_most = Some(cents);
        self
    }

    /// Whether a filter asks when the fan last wrote.
    pub(super) const fn asks_for_activity(&self) -> bool {
        self.active_within.is_some() || self.silent_for.is_some()
    }

    /// Whether a filter asks for the fan's stage or for what they paid.
    pub(super) const fn asks_for_closeness(&self) -> bool {
        !self.stages.is_empty() || self.spent_at_least.is_some() || self.spent_at_most.is_some()
    }

    /// Whether a fan of whom this is known passes the filters.
    pub(super) fn admits(&self, known: &Known, now: Timestamp) -> bool {
        let wrote_within = |time: Duration| {
            let last = known.last_wrote;
            last.is_some_and(|last| now.since(last) <= time)
        };
        self.active_within.is_none_or(wrote_within)
            && self.silent_for.is_none_or(|time| !wrote_within(time))
            && (self.stages.is_empty() || self.stages.contains(&known.stage))
            && self.spent_at_least.is_none_or(|least| known.spent >= least)
            && self.spent_at_most.is_none_or(|most| known.spent <= most)
    }

    /// The lists in the order in which they are read, and whether those in it are included.
    pub(super) fn lists(&self) -> impl Iterator<Item = (FanList, Side)> {
        let included = self.include.iter().map(|list| (*list, Side::Included));
        included.chain(self.exclude.iter().map(|list| (*list, Side::Excluded)))
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        let nobody = "the segment is of nobody";
        if self.include.is_empty() {
            let all = Nearest::Text(r#"[{"smart":"subscribers"}]"#.into());
            let reason = format!("{nobody}: it includes no list");
            faults.push("segment.include", reason, Some(all));
        } else if self.include.iter().all(|list| self.exclude.contains(list)) {
            let reason = format!("{nobody}: every list that it includes is excluded");
            faults.push("segment.exclude", reason, Some(Nearest::Text("[]".into())));
        }
        let lists = u64::try_from(self.include.len() + self.exclude.len()).unwrap_or(u64::MAX);
        faults.count(
            "segment",
            lists.max(1),
            1..=MOST_LISTS,
            "each list costs requests to Fanvue; keep one list for all of them there",
        );
        for (field, time) in [
            ("segment.active_within", self.active_within),
            ("segment.silent_for", self.silent_for),
        ] {
            if let Some(time) = time {
                let shortest = Duration::from_secs(60);
                faults.duration(
                    field,
                    time,
                    shortest..=LONGEST,
                    "it is counted in minutes and years",
                );
            }
        }
        if let (Some(active), Some(silent)) = (self.active_within, self.silent_for)
            && silent >= active
        {
            let reason = format!(
                "{nobody}: who wrote nothing for {} ms did not write within {} ms",
                silent.as_millis(),
                active.as_millis()
            );
            let nearest = active.saturating_sub(Duration::from_millis(1));
            faults.push("segment.silent_for", reason, Some(Nearest::Millis(nearest)));
        }
        for (field, spent) in [
            ("segment.spent_at_least", self.spent_at_least),
            ("segment.spent_at_most", self.spent_at_most),
        ] {
            if let Some(cents) = spent.map(Cents::get)
                && !(0..=MOST_SPENT).contains(&cents)
            {
                let reason = format!("{cents} cents is not between 0 and {MOST_SPENT}");
                let nearest = u64::try_from(cents.clamp(0, MOST_SPENT)).unwrap_or_default();
                faults.push(field, reason, Some(Nearest::Count(nearest)));
            }
        }
        if let (Some(least), Some(most)) = (self.spent_at_least, self.spent_at_most)
            && least > most
        {
            let reason = format!(
                "{nobody}: who has paid {} cents has paid more than {}",
                least.get(),
                most.get()
            );
            let nearest = u64::try_from(most.get()).unwrap_or_default();
            faults.push(
                "segment.spent_at_least",
                reason,
                Some(Nearest::Count(nearest)),
            );
        }
    }
}

/// What the filters ask for; of a fan of whom nothing is stored, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// When they last wrote.
    pub(super) last_wrote: Option<Timestamp>,
    pub(super) stage: Stage,
    pub(super) spent: Cents,
}

impl Known {
    pub(super) const NOTHING: Self = Self {
        last_wrote: None,
        stage: Stage::New,
        spent: Cents::ZERO,
    };
}

/// On which side of a segment a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Included,
    Excluded,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::SmartList;

    fn all() -> Segment {
        Segment::of([FanList::Smart(SmartList::Subscribers)])
    }

    #[test]
    fn activity_is_counted_from_the_fans_last_message() {
        fn check(segment: &Segment, last: Option<i64>, admitted: bool) {
            let now = Timestamp::from_seconds(10_000);
            let known = Known {
                last_wrote: last.map(Timestamp::from_seconds),
                ..Known::NOTHING
            };
            assert_eq!(
                segment.admits(&known, now),
                admitted,
                "{segment:?} {last:?}"
            );
        }
        let hour = Duration::from_secs(3_600);
        check(&all(), None, true);
        check(&all().active_within(hour), Some(9_000), true);
        check(&all().active_within(hour), Some(6_000), false);
        check(&all().active_within(hour), None, false);
        check(&all().silent_for(hour), Some(9_000), false);
        check(&all().silent_for(hour), Some(6_000), true);
        check(&all().silent_for(hour), None, true);
    }

    #[test]
    fn stage_and_spend_are_bounds_that_include_themselves() {
        fn check(segment: &Segment, stage: Stage, cents: i64, admitted: bool) {
            let known = Known {
                stage,
                spent: Cents::new(cents),
                ..Known::NOTHING
            };
            let now = Timestamp::from_seconds(10_000);
            assert_eq!(
                segment.admits(&known, now),
                admitted,
                "{segment:?} {known:?}"
            );
        }
        check(&all(), Stage::Vip, -1, true);
        let close = || all().stages([Stage::Regular, Stage::Vip]);
        check(&close(), Stage::Vip, 0, true);
        check(&close(), Stage::Regular, 0, true);
        check(&close(), Stage::Supporter, 0, false);
        check(&close(), Stage::New, 0, false);
        let between = || {
            all()
                .spent_at_least(Cents::new(500))
                .spent_at_most(Cents::new(900))
        };
        check(&between(), Stage::New, 499, false);
        check(&between(), Stage::New, 500, true);
        check(&between(), Stage::New, 900, true);
        check(&between(), Stage::New, 901, false);
        // Whoever got back more than they paid has paid nothing, and not less.
        check(&all().spent_at_most(Cents::ZERO), Stage::New, -1, true);
        check(&close().spent_at_least(Cents::new(1)), Stage::Vip, 0, false);
    }

    #[test]
    fn a_segment_of_nobody_is_refused_by_field_with_the_nearest_that_has_somebody() {
        #[track_caller]
        fn check(segment: &Segment, faults: &[&str]) {
            let mut found = Faults::default();
            segment.check(&mut found);
            let found = found.into_result().err();
            let found: Vec<String> = found
                .iter()
                .flat_map(|invalid| invalid.faults())
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, faults);
        }
        let hour = Duration::from_secs(3_600);
        check(&all().active_within(hour).spent_at_most(Cents::ZERO), &[]);
        check(
            &Segment::default(),
            &[
                r#"segment.include: the segment is of nobody: it includes no list; the nearest valid value is [{"smart":"subscribers"}]"#,
            ],
        );
        check(
            &all().without(all().include),
            &[
                "segment.exclude: the segment is of nobody: every list that it includes is excluded; the nearest valid value is []",
            ],
        );
        check(
            &all().active_within(hour).silent_for(hour),
            &[
                "segment.silent_for: the segment is of nobody: who wrote nothing for 3600000 ms did not write within 3600000 ms; the nearest valid value is 3599999 ms",
            ],
        );
        check(
            &all()
                .spent_at_least(Cents::new(900))
                .spent_at_most(Cents::new(500)),
            &[
                "segment.spent_at_least: the segment is of nobody: who has paid 900 cents has paid more than 500; the nearest valid value is 500",
            ],
        );
        check(
            &all().spent_at_most(Cents::new(-1)),
            &[
                "segment.spent_at_most: -1 cents is not between 0 and 1000000000; the nearest valid value is 0",
            ],
        );
    }

    #[test]
    fn it_reads_back_what_it_is_written_as() {
        let written = r#"{"include":[{"smart":"followers"}],"silent_for":86400000,"stages":["vip"],"spent_at_least":500}"#;
        let segment: Segment = serde_json::from_str(written).unwrap();
        let meant = Segment::of([FanList::Smart(SmartList::Followers)])
            .silent_for(Duration::from_secs(86_400))
            .stages([Stage::Vip])
            .spent_at_least(Cents::new(500));
        assert_eq!(segment, meant);
        assert_eq!(serde_json::to_string(&segment).unwrap(), written);
    }
}
