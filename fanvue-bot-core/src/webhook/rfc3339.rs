//! A short way to read the one form of time that Fanvue writes.

use crate::time::Timestamp;

/// Reads `2026-01-05T09:30:00.500Z`, with zero to six digits of a fraction, without the general parser;
/// any other form goes to that. `None` for what is no time.
pub(super) fn parse(text: &[u8]) -> Option<Timestamp> {
    utc(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

fn utc(text: &[u8]) -> Option<Timestamp> {
    let (
        &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            i0,
            i1,
            b':',
            s0,
            s1,
        ],
        rest,
    ) = text.split_first_chunk::<19>()?
    else {
        return None;
    };
    // One look at all digits instead of a branch for each: two times stand in every event.
    let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1];
    if !all_digits(&digits) {
        return None;
    }
    let year = pair(y0, y1) * 100 + pair(y2, y3);
    let (month, day) = (pair(m0, m1), pair(d0, d1));
    let (hour, minute, second) = (pair(h0, h1), pair(i0, i1), pair(s0, s1));
    let in_range = (1..=12).contains(&month)
        & (1..=days_in(year, month)).contains(&day)
        & (hour <= 23)
        & (minute <= 59)
        & (second <= 59);
    if !in_range {
        return None;
    }
    let fraction = match rest {
        [b'Z'] => 0,
        &[b'.', d0, d1, d2, b'Z'] if all_digits(&[d0, d1, d2]) => {
            (pair(d0, d1) * 10 + digit(d2)) * 1_000
        }
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) && all_digits(digits) => {
            (0..6).fold(0, |micros, at| {
                micros * 10 + digits.get(at).map_or(0, |&d| digit(d))
            })
        }
        _ => return None,
    };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_micros(seconds * 1_000_000 + fraction))
}

fn all_digits(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// The value of what [`all_digits`] accepted.
fn digit(byte: u8) -> i64 {
    i64::from(byte & 0xf)
}

fn pair(tens: u8, ones: u8) -> i64 {
    digit(tens) * 10 + digit(ones)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from the first of March, so that the leap day is a year's last.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_forms_go_the_long_way() {
        let expected: Timestamp = "2026-01-05T09:30:00.5Z".parse().unwrap();
        for text in [
            "2026-01-05T09:30:00.500Z",
            "2026-01-05T10:30:00.500+01:00",
            "2026-01-05T09:30:00.500000000Z",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "soon", "2026-02-30T09:30:00Z", "2026-01-05T24:30:00Z"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_general_parser(
            micros in -62_135_596_800_000_000_i64..253_402_207_200_000_000,
        ) {
            let time = Timestamp::from_micros(micros);
            let text = time.to_string();
            prop_assert_eq!(utc(text.as_bytes()), Some(time));
        }

        #[test]
        fn what_the_short_way_takes_the_general_parser_takes(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?Z",
        ) {
            if let Some(time) = utc(text.as_bytes()) {
                prop_assert_eq!(text.parse::<Timestamp>().ok(), Some(time));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
