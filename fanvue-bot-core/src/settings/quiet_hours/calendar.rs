//! Windows of the day as stretches of time, across days on which clocks are set.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{QuietHours, QuietWindow, TimeOfDay};
use crate::settings::weekdays::Weekday;
use crate::settings::zone;
use crate::time::Timestamp;

/// Valid windows leave an hour of each week open in one piece; clocks that are set forward may take it away once.
const SEARCH: Duration = Duration::from_secs(21 * 24 * 3_600);

pub(super) fn next_allowed(quiet: &QuietHours, at: Timestamp, clear: Duration) -> Timestamp {
    if quiet.windows.is_empty() {
        return at;
    }
    let zone = zone::find(&quiet.zone).unwrap_or(TimeZone::UTC);
    let mut free = at;
    while let Some(end) = end_of_quiet(&zone, &quiet.windows, free, clear) {
        free = end;
        if free.since(at) > SEARCH {
            break;
        }
    }
    free
}

/// The end of the windows that hold a time between `at` and `clear` later; `None` if none does. Later
/// than `at`.
fn end_of_quiet(
    zone: &TimeZone,
    windows: &[QuietWindow],
    at: Timestamp,
    clear: Duration,
) -> Option<Timestamp> {
    // A day more on either side, since a window may last until the next day and clocks may skip one.
    let first = local_date(zone, at)?
        .yesterday()
        .and_then(Date::yesterday)
        .ok()?;
    let last = local_date(zone, at + clear)?.tomorrow().ok()?;
    let mut end = None;
    for date in first.series(jiff::Span::new().days(1)) {
        if date > last {
            break;
        }
        let day = weekday(date);
        for window in windows.iter().filter(|window| window.days.contains(day)) {
            let Some((from, to)) = stretch(zone, window, date) else {
                continue;
            };
            let holds = from < to && from <= at + clear && at < to;
            if holds {
                end = end.max(Some(to));
            }
        }
    }
    end
}

/// From when to when the window that begins on `date` lasts.
fn stretch(zone: &TimeZone, window: &QuietWindow, date: Date) -> Option<(Timestamp, Timestamp)> {
    let ends = if window.to > window.from {
        date
    } else {
        date.tomorrow().ok()?
    };
    Some((
        moment(zone, date, window.from, Edge::Begin)?,
        moment(zone, ends, window.to, Edge::End)?,
    ))
}

#[derive(Clone, Copy)]
enum Edge {
    Begin,
    End,
}

/// When the clock shows `time` on `date`: for the first time or for the last, if it does so twice; when it
/// skips it, if it never does.
fn moment(zone: &TimeZone, date: Date, time: TimeOfDay, edge: Edge) -> Option<Timestamp> {
    let (date, minutes) = if time == TimeOfDay::END {
        (date.tomorrow().ok()?, 0)
    } else {
        (date, time.minutes())
    };
    let hour = i8::try_from(minutes / 60).ok()?;
    let minute = i8::try_from(minutes % 60).ok()?;
    let shown = date.at(hour, minute, 0, 0);
    let moment = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok()?,
        AmbiguousOffset::Fold { before, after } => match edge {
            Edge::Begin => before.to_timestamp(shown).ok()?,
            Edge::End => after.to_timestamp(shown).ok()?,
        },
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(shown).ok()?;
            zone.following(earlier).next()?.timestamp()
        }
    };
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

fn local_date(zone: &TimeZone, at: Timestamp) -> Option<Date> {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
    Some(zone.to_datetime(at).date())
}

fn weekday(date: Date) -> Weekday {
    match date.weekday() {
        jiff::civil::Weekday::Monday => Weekday::Monday,
        jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
        jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
        jiff::civil::Weekday::Thursday => Weekday::Thursday,
        jiff::civil::Weekday::Friday => Weekday::Friday,
        jiff::civil::Weekday::Saturday => Weekday::Saturday,
        jiff::civil::Weekday::Sunday => Weekday::Sunday,
    }
}
