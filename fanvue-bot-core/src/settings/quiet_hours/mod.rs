//! When nothing goes out by itself: windows of the day, by the creator's clock.

mod calendar;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{Faults, Nearest};
use super::time_of_day::TimeOfDay;
use super::weekdays::Weekdays;
use super::zone;
use crate::entropy::Seed;
use crate::time::Timestamp;

/// Held replies go out within this time of the end of quiet hours, each at a moment of its own: nobody
/// answers everyone in the second in which they wake up.
const SPREAD: Duration = Duration::from_secs(10 * 60);
/// More windows than anyone needs are a mistake.
const MOST_WINDOWS: usize = 50;
/// This many minutes of a week in one piece are not quiet at least. In less, what was held may find no room to be
/// written and sent before the next window begins, and waits for ever.
const OPEN_MINUTES: usize = 60;
const WEEK: usize = 7 * DAY;
const DAY: usize = 24 * 60;

/// When no reply goes out by itself.
///
/// A window is one stretch of time, from the moment at which the clock first shows `from` to the moment
/// at which it last shows `to`; a time that the clock skips is the moment at which it skips. So when clocks
/// are set back a window that begins or ends in the repeated hour is the longer one, and when they are set
/// forward the shorter one. Windows may overlap: what is in any of them is quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuietHours {
    /// The IANA name of the time zone whose clock the windows are read from, such as `Europe/Berlin`.
    pub zone: String,
    /// The windows, several a day if need be; none means that no time is quiet.
    pub windows: Vec<QuietWindow>,
}

/// One stretch of quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a window is exactly this")]
pub struct QuietWindow {
    /// On which days it begins. Default: every day.
    #[serde(default)]
    pub days: Weekdays,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the next day, if that is not later than `from`.
    pub to: TimeOfDay,
}

impl QuietHours {
    /// No time is quiet.
    #[must_use]
    pub fn none() -> Self {
        Self::in_zone("UTC")
    }

    /// By the clock of this zone; so far without a window.
    #[must_use]
    pub fn in_zone(zone: impl Into<String>) -> Self {
        Self {
            zone: zone.into(),
            windows: Vec::new(),
        }
    }

    /// With one more window, every day.
    #[must_use]
    pub fn daily(self, from: TimeOfDay, to: TimeOfDay) -> Self {
        self.on(Weekdays::EVERY, from, to)
    }

    /// With one more window, on the days on which it begins.
    #[must_use]
    pub fn on(mut self, days: Weekdays, from: TimeOfDay, to: TimeOfDay) -> Self {
        self.windows.push(QuietWindow { days, from, to });
        self
    }

    /// Whether `at` is quiet.
    #[must_use]
    pub fn is_quiet(&self, at: Timestamp) -> bool {
        self.next_allowed(at, Duration::ZERO) > at
    }

    /// The earliest time, `at` or later, from which on for at least `clear` no time is quiet.
    ///
    /// For windows that [`Settings::validate`](super::Settings::validate) refuses the answer may be quiet
    /// itself, weeks after `at`. Without windows it is `at`; a zone that is not known counts as UTC.
    #[must_use]
    pub fn next_allowed(&self, at: Timestamp, clear: Duration) -> Timestamp {
        calendar::next_allowed(self, at, clear)
    }

    /// When something that waits since before goes out, if `at` is quiet: within ten minutes of
    /// [`QuietHours::next_allowed`], at a moment that `seed` draws for each such end anew. `None` if it may
    /// go out at `at`.
    #[must_use]
    pub fn held_until(&self, at: Timestamp, clear: Duration, seed: Seed) -> Option<Timestamp> {
        let end = self.next_allowed(at, clear);
        if end <= at {
            return None;
        }
        let seconds = end.as_seconds().unsigned_abs();
        let seed = Seed::new(seed.value() ^ seconds).derive("after quiet hours");
        let most = u64::try_from(SPREAD.as_micros()).unwrap_or(u64::MAX);
        let spread = end + Duration::from_micros(seed.in_range(0, most));
        // The next window may begin soon.
        let free = self.next_allowed(spread, clear) == spread;
        Some(if free { spread } else { end })
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        if zone::find(&self.zone).is_none() {
            faults.push(
                "quiet_hours.zone",
                "there is no time zone of this name; it must be an IANA name such as Europe/Berlin",
                zone::nearest(&self.zone).map(Nearest::Text),
            );
        }
        if self.windows.len() > MOST_WINDOWS {
            faults.push(
                "quiet_hours.windows",
                format!(
                    "{} windows are more than {MOST_WINDOWS}",
                    self.windows.len()
                ),
                None,
            );
            return;
        }
        let mut sound = true;
        for (index, window) in self.windows.iter().enumerate() {
            let before = faults.len();
            window.check(index, faults);
            sound &= faults.len() == before;
        }
        if sound && longest_open(&self.windows) < OPEN_MINUTES {
            self.refuse_always(faults);
        }
    }

    /// Names the window by whose earlier end an hour would be open, and the latest such end.
    fn refuse_always(&self, faults: &mut Faults) {
        let reason = "nobody would be answered, since no hour of the week is open in one piece; \
                      at least one must be";
        for index in (0..self.windows.len()).rev() {
            let ends = |cut: usize| {
                let to = self.windows[index].ended_earlier(cut)?;
                let mut shorter = self.windows.clone();
                shorter[index].to = to;
                (longest_open(&shorter) >= OPEN_MINUTES).then_some(to)
            };
            // What an earlier end opens, one that is earlier still opens as well.
            let most = OPEN_MINUTES.min(self.windows[index].length() - 1);
            let cuts: Vec<usize> = (1..=most).collect();
            let least = cuts.partition_point(|cut| ends(*cut).is_none());
            if let Some(to) = cuts.get(least).and_then(|cut| ends(*cut)) {
                let field = format!("quiet_hours.windows[{index}].to");
                let nearest = Nearest::Text(to.to_string().into());
                return faults.push(field, reason, Some(nearest));
            }
        }
        faults.push("quiet_hours.windows", reason, None);
    }
}

impl Default for QuietHours {
    fn default() -> Self {
        Self::none()
    }
}

impl QuietWindow {
    fn check(&self, index: usize, faults: &mut Faults) {
        let field = |name: &str| format!("quiet_hours.windows[{index}].{name}");
        let text = |time: TimeOfDay| Some(Nearest::Text(time.to_string().into()));
        if self.days.is_empty() {
            faults.push(
                field("days"),
                "a window without a day never begins; leave the field out for every day",
                None,
            );
        }
        if self.from == TimeOfDay::END {
            faults.push(
                field("from"),
                "24:00 only ends a window; one that begins then begins on the next day",
                text(TimeOfDay::START),
            );
        } else if self.from == self.to {
            faults.push(
                field("to"),
                format!(
                    "a window from {0} to {0} is empty; one that is quiet all day is from 00:00 to 24:00",
                    self.from
                ),
                text(self.from.next_minute()),
            );
        }
    }

    /// When it ends if it ends this many minutes earlier; `None` if nothing would be left of it.
    fn ended_earlier(&self, minutes: usize) -> Option<TimeOfDay> {
        let last = self.length().checked_sub(minutes + 1)?;
        let to = (usize::from(self.from.minutes()) + last) % DAY + 1;
        u16::try_from(to).ok().and_then(TimeOfDay::from_minutes)
    }

    /// Its length in minutes, at least one, on days on which no clock is set.
    fn length(&self) -> usize {
        let (from, to) = (self.from.minutes(), self.to.minutes());
        let length = if to > from {
            to - from
        } else {
            to + 24 * 60 - from
        };
        usize::from(length)
    }
}

/// How many minutes the longest piece of a week has that is in no window, from one week into the next.
fn longest_open(windows: &[QuietWindow]) -> usize {
    let mut quiet = vec![false; WEEK];
    for window in windows {
        for day in window.days.iter() {
            let from = day as usize * DAY + usize::from(window.from.minutes());
            for minute in from..from + window.length() {
                quiet[minute % WEEK] = true;
            }
        }
    }
    let Some(first) = quiet.iter().position(|quiet| *quiet) else {
        return WEEK;
    };
    quiet.rotate_left(first);
    let open = quiet.split(|quiet| *quiet).map(<[bool]>::len);
    open.max().unwrap_or_default()
}
