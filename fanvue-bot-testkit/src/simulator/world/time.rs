//! Moments, and the ISO 8601 form that the API speaks.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in milliseconds since the Unix epoch, UTC.
///
/// The world has no clock: every operation that needs the time takes a `Moment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// The moment `millis` later.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The moment `millis` earlier, not before the epoch.
    #[must_use]
    pub const fn minus(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds since `earlier`, zero if that lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads `2026-01-05T09:30:00.500Z`. Fractions of a second are optional, and so is the `Z`;
    /// other offsets are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text
            .strip_suffix('Z')
            .or_else(|| text.strip_suffix("+00:00"))
            .unwrap_or(text);
        let (date, clock) = text.split_once('T').unwrap_or((text, "00:00:00"));
        let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let mut clock = clock.split(':').map(|part| part.parse::<u64>().ok());
        let (hour, minute) = (clock.next()??, clock.next()??);
        let second = clock.next().unwrap_or(Some(0))?;
        let in_range = (1970..10_000).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second < 61;
        if date.next().is_some() || clock.next().is_some() || !in_range {
            return None;
        }
        let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
        let millis = digits.parse::<u64>().ok()?;
        let days = days_from_civil(year, month, day);
        Some(Self(
            ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis,
        ))
    }
}

impl fmt::Display for Moment {
    /// `2026-01-05T09:30:00.500Z`, always with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / 86_400_000);
        let rest = self.0 % 86_400_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            rest / 3_600_000,
            rest / 60_000 % 60,
            rest / 1000 % 60,
            rest % 1000
        )
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Days since the epoch of a date of the Gregorian calendar (Hinnant's algorithm, for years from
/// 1970 on).
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_being_written_and_read() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:00:00.001Z", 951_825_600_001),
            ("2026-01-05T09:30:00.500Z", 1_767_605_400_500),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(
                Moment::parse(text),
                Some(Moment::from_millis(millis)),
                "{text}"
            );
            assert_eq!(Moment::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn shorter_forms_are_read_and_nonsense_is_refused() {
        let noon = Moment::parse("2026-01-05T12:00:00.000Z");
        assert_eq!(Moment::parse("2026-01-05T12:00:00Z"), noon);
        assert_eq!(Moment::parse("2026-01-05T12:00:00+00:00"), noon);
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-05T25:00:00Z",
            "2026-01",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
