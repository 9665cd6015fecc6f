//! How long a server asks to wait.

use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use reqwest::header::HeaderMap;

/// No server means longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait a rate-limited answer asks for: `retry-after-ms`, `Retry-After`, else the reset headers.
/// Values of -1 or 0 say nothing, and neither does a time that is over.
pub(crate) fn asked_for(
    headers: &HeaderMap,
    upstream_reset: Option<&str>,
    now: Timestamp,
) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    header("retry-after-ms")
        .and_then(|value| seconds(value.parse::<f64>().ok()? / 1_000.0))
        .or_else(|| header("retry-after").and_then(|value| retry_after(value, now)))
        .or_else(|| reset(&header, now))
        .or_else(|| upstream_reset.and_then(|value| moment_or_delta(value, now)))
}

fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    until(
        Timestamp::from_micros(date.timestamp().as_microsecond()),
        now,
    )
}

/// Of the reset headers: the latest among the limits that are used up, else the nearest.
fn reset<'a>(header: &impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Option<Duration> {
    let wait = |name: &str| header(name).and_then(|value| moment_or_delta(value, now));
    let limits = ["-requests", "-tokens", ""].map(|limit| {
        let used_up = header(&format!("x-ratelimit-remaining{limit}")) == Some("0");
        (used_up, wait(&format!("x-ratelimit-reset{limit}")))
    });
    let used_up = limits.iter().filter(|(used_up, _)| *used_up);
    used_up
        .filter_map(|(_, wait)| *wait)
        .max()
        .or_else(|| limits.iter().filter_map(|(_, wait)| *wait).min())
        .or_else(|| wait("ratelimit-reset"))
        .or_else(|| wait("ratelimitbysize-reset"))
}

/// `90`, `1.5s`, `6m0s`, `120ms`, seconds since 1970 or milliseconds since 1970.
fn moment_or_delta(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(whole) = value.parse::<i64>() {
        return match whole {
            ..=0 => None,
            1..1_000_000_000 => seconds(f64::from(i32::try_from(whole).ok()?)),
            1_000_000_000..100_000_000_000 => until(Timestamp::from_seconds(whole), now),
            _ => until(Timestamp::from_millis(whole), now),
        };
    }
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    compound(value)
}

/// Go's duration format, which OpenAI uses: `1h2m3.5s`, `120ms`.
fn compound(value: &str) -> Option<Duration> {
    let mut rest = value;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let number: f64 = number.parse().ok()?;
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        total += number
            * match unit {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = tail;
    }
    seconds(total)
}

fn seconds(number: f64) -> Option<Duration> {
    if !number.is_finite() {
        return None;
    }
    let wait = Duration::try_from_secs_f64(number.min(LONGEST.as_secs_f64())).ok()?;
    (!wait.is_zero()).then_some(wait)
}

fn until(moment: Timestamp, now: Timestamp) -> Option<Duration> {
    let wait = moment.since(now).min(LONGEST);
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: i64 = 1_784_000_000;

    fn check(headers: &[(&str, &str)], expected_millis: Option<u64>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        assert_eq!(
            asked_for(&map, None, Timestamp::from_seconds(NOW)),
            expected_millis.map(Duration::from_millis),
            "{headers:?}"
        );
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "0.5")], Some(500));
        check(
            &[("retry-after-ms", "250"), ("retry-after", "1")],
            Some(250),
        );
        check(
            &[("retry-after", "Tue, 14 Jul 2026 03:33:30 GMT")],
            Some(10_000),
        );
        check(&[("retry-after", "999999999999")], Some(86_400_000));
    }

    #[test]
    fn senseless_values_say_nothing() {
        for value in [
            "-1",
            "0",
            "",
            "soon",
            "NaN",
            "inf",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "1e999",
        ] {
            check(&[("retry-after", value)], None);
            check(&[("x-ratelimit-reset", value)], None);
        }
        check(
            &[
                ("x-ratelimit-remaining-requests", "-1"),
                ("x-ratelimit-reset-requests", "-1"),
            ],
            None,
        );
        check(&[], None);
    }

    #[test]
    fn reset_headers_stand_in() {
        check(&[("x-ratelimit-reset-requests", "1m1.5s")], Some(61_500));
        check(&[("x-ratelimit-reset-tokens", "120ms")], Some(120));
        check(
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "20s"),
                ("x-ratelimit-remaining-tokens", "500"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            Some(20_000),
        );
        check(
            &[
                ("x-ratelimit-reset-requests", "20s"),
                ("x-ratelimit-reset-tokens", "2s"),
            ],
            Some(2_000),
        );
        check(&[("x-ratelimit-reset", "1784000005")], Some(5_000));
        check(&[("x-ratelimit-reset", "1784000005500")], Some(5_500));
        check(&[("ratelimitbysize-reset", "30")], Some(30_000));
        check(&[("x-ratelimit-reset", "5x")], None);
        check(&[("x-ratelimit-reset", "5")], Some(5_000));
    }

    #[test]
    fn an_upstreams_reset_is_the_last_resort() {
        let now = Timestamp::from_seconds(NOW);
        assert_eq!(
            asked_for(&HeaderMap::new(), Some("1784000003000"), now),
            Some(Duration::from_secs(3))
        );
    }
}
