//! How long a finished reply is held back: a seeded draw around what a person would take.

use std::time::Duration;

use crate::entropy::Seed;
use crate::settings::Pace;

/// A person types about five characters a second on a phone.
const PER_CHARACTER: Duration = Duration::from_millis(200);
/// In a live exchange the answer comes within this range.
const LIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

/// How long to hold back `text`, written `since_last` after our last reply.
pub(super) fn hold(pace: Pace, text: &str, since_last: Option<Duration>, seed: Seed) -> Duration {
    let Pace::Natural {
        live_within,
        shortest,
        longest,
    } = pace
    else {
        return Duration::ZERO;
    };
    let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let typing = PER_CHARACTER.saturating_mul(characters);
    if since_last.is_some_and(|since| since < live_within) {
        return around(typing, seed).clamp(LIVE.0, LIVE.1);
    }
    around(shortest.saturating_add(typing), seed).clamp(shortest, longest)
}

/// A draw between 0.7 and 1.3 of `middle`.
fn around(middle: Duration, seed: Seed) -> Duration {
    let micros = u64::try_from(middle.as_micros()).unwrap_or(u64::MAX / 2);
    Duration::from_micros(seed.in_range(micros / 10 * 7, micros.saturating_mul(13) / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_exchange_is_quick_and_a_late_answer_is_not() {
        let long = "x".repeat(400);
        for seed in (0..200).map(Seed::new) {
            let live = hold(
                Pace::default(),
                "hey you",
                Some(Duration::from_secs(10)),
                seed,
            );
            assert!((2..=15).contains(&live.as_secs()), "{live:?}");
            let late = hold(Pace::default(), &long, None, seed);
            assert!((20..=180).contains(&late.as_secs()), "{late:?}");
            assert_eq!(hold(Pace::Immediate, &long, None, seed), Duration::ZERO);
        }
    }

    #[test]
    fn a_longer_text_is_held_longer_on_average() {
        let mean = |text: &str| {
            (0..200)
                .map(|s| hold(Pace::default(), text, None, Seed::new(s)).as_millis())
                .sum::<u128>()
                / 200
        };
        assert!(mean(&"x".repeat(300)) > mean("hi") + 20_000);
    }
}
