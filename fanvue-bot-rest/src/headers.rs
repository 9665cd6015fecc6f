//! What answers say in their headers: limits, waits, and the end of a version.

use std::time::Duration;

use fanvue_bot_core::rate::Told;
use fanvue_bot_core::time::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

/// The wait after a 429 that does not say how long: one window of Fanvue's bucket.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The shortest wait after a 429, so that a `Retry-After: 0` makes no tight loop.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that is believed. One call an hour is no abuse, and a broken header must not silence
/// a creator for days.
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// The `X-RateLimit-*` headers of an answer.
pub(crate) fn told(headers: &HeaderMap) -> Told {
    let count = |name| number(headers, name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Told {
        limit: count("x-ratelimit-limit").map(|limit| limit.min(MAX_LIMIT)),
        remaining: count("x-ratelimit-remaining"),
        reset: number(headers, "x-ratelimit-reset")
            .and_then(|seconds| i64::try_from(seconds).ok())
            .map(Timestamp::from_seconds),
    }
}

/// More requests per window than one process sends.
const MAX_LIMIT: u32 = 1_000_000;

/// How long a 429 asks to wait: `Retry-After`, else the time to `X-RateLimit-Reset`, else a minute.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Duration {
    let stated = decimal_seconds(headers).or_else(|| {
        let reset = told(headers).reset?;
        (reset > now).then(|| reset.since(now))
    });
    stated.unwrap_or(DEFAULT_WAIT).clamp(MIN_WAIT, MAX_WAIT)
}

/// `Retry-After` in seconds. Its date form is not Fanvue's; it counts as absent.
fn decimal_seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The whole number at the start of a header: `100`, also in `100, 100;w=60`.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// Whether the body is an HTML page by its header or its first character: from a proxy, not the API.
pub(crate) fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let by_header = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    by_header || body.trim_ascii_start().starts_with(b"<")
}

/// A short header for a log line, or nothing if it is odd.
pub(crate) fn label<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= 100 && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_767_603_600);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_wait_is_read_from_whatever_states_it_and_kept_sane() {
        let check = |pairs: &[(&'static str, &'static str)], seconds: u64| {
            let wait = retry_after(&headers(pairs), NOW);
            assert_eq!(wait, Duration::from_secs(seconds), "{pairs:?}");
        };
        check(&[("retry-after", "7")], 7);
        check(&[("retry-after", " 7 ")], 7);
        check(&[("retry-after", "0")], 1);
        check(&[("retry-after", "-5")], 60);
        check(&[("retry-after", "NaN")], 60);
        check(&[("retry-after", "inf")], 60);
        check(&[("retry-after", "1767603600")], 3_600);
        check(&[("retry-after", "soon")], 60);
        check(&[("x-ratelimit-reset", "1767603625")], 25);
        check(&[("x-ratelimit-reset", "1767603000")], 60);
        check(
            &[("retry-after", "3"), ("x-ratelimit-reset", "1767603625")],
            3,
        );
        check(&[], 60);
    }

    #[test]
    fn limits_are_read_leniently() {
        let read = told(&headers(&[
            ("x-ratelimit-limit", "200, 200;w=60"),
            ("x-ratelimit-remaining", "7"),
            ("x-ratelimit-reset", "1767603660"),
        ]));
        assert_eq!(read.limit, Some(200));
        assert_eq!(read.remaining, Some(7));
        assert_eq!(read.reset, Some(Timestamp::from_seconds(1_767_603_660)));
        let odd = told(&headers(&[
            ("x-ratelimit-limit", "-1"),
            ("x-ratelimit-remaining", "many"),
            ("x-ratelimit-reset", "99999999999999999999"),
        ]));
        assert_eq!(odd, Told::default());
    }
}
