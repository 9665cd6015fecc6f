//! A simulated week on the in-memory backend: 100 creators, 5,000 fans of all characters, all faults on.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::sync::Arc;
use std::time::Instant;

use fanvue_bot_core::memory::MemoryBackend;
use fanvue_bot_testkit::day::{Character, Day};

/// Set `WEEK_SEED` for another week.
fn seed() -> u64 {
    let text = std::env::var("WEEK_SEED").unwrap_or_default();
    text.parse().unwrap_or(1)
}

#[test]
fn in_a_week_of_5_000_fans_nobody_is_forgotten_pestered_or_answered_twice() {
    let backend = Arc::new(MemoryBackend::new());
    let queue = Arc::clone(&backend);
    let week = Day::week(seed()).next_due(move || queue.next_due());
    let begun = Instant::now();
    let report = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(week.run(backend));
    let report = match report {
        Ok(report) => report,
        Err(failure) => panic!(
            "{} in {:.0?}, {failure}",
            failure.faults.len(),
            begun.elapsed()
        ),
    };
    println!("{report}\nin {:.0?}", begun.elapsed());
    let of = |character| report.by_character[&character];
    assert_eq!(report.by_character.len(), Character::ALL.len());
    assert!(of(Character::Quitter).opted_out > 0);
    assert!(of(Character::MinorHint).safety > 0 && of(Character::Crisis).safety > 0);
    assert!(of(Character::NightOwl).in_quiet_hours > 0);
    assert!(report.crashes > 0 && report.freezes > 0);
    assert!(report.found_by_poll > 0 && report.unfit_drafts > 0);
}
