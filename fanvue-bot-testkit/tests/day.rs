//! Simulated days on the in-memory backend.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use fanvue_bot_core::memory::{MemoryBackend, MemoryInbox};
use fanvue_bot_testkit::day::{Day, DayFailure, DayReport};

/// Set `DAY_SEEDS` for more days than a normal run has, and `DAY_FIRST` for others.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Every third day webhooks are kept in an inbox first.
fn day(seed: u64) -> Result<DayReport, DayFailure> {
    let backend = Arc::new(MemoryBackend::new());
    let queue = Arc::clone(&backend);
    let mut day = Day::new(seed).next_due(move || queue.next_due());
    if seed.is_multiple_of(3) {
        day = day.inbox(Arc::new(MemoryInbox::new()));
    }
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(day.run(backend))
}

#[test]
fn no_fan_is_answered_twice_or_forgotten_whatever_fails() {
    let seeds = setting("DAY_SEEDS", 1_000);
    let first = setting("DAY_FIRST", 1);
    let hands = thread::available_parallelism().map_or(1, NonZero::get);
    let days: Vec<Result<DayReport, DayFailure>> = thread::scope(|scope| {
        let hands: Vec<_> = (0..hands)
            .map(|hand| {
                scope.spawn(move || {
                    (first..first + seeds)
                        .skip(hand)
                        .step_by(hands)
                        .map(day)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        hands
            .into_iter()
            .flat_map(|hand| hand.join().unwrap())
            .collect()
    });
    let mut total = DayReport::default();
    let mut failures = Vec::new();
    for day in days {
        match day {
            Ok(report) => total = total + report,
            Err(failure) => failures.push(failure),
        }
    }
    println!("{seeds} days: {total:?}");
    for failure in failures.iter().take(5) {
        println!("{failure}");
    }
    assert!(
        failures.is_empty(),
        "{} of {seeds} days went wrong",
        failures.len()
    );
    assert!(total.crashes > 0 && total.freezes > 0 && total.rate_limited > 0);
    assert!(total.found_by_poll > 0 && total.in_quiet_hours > 0);
}
