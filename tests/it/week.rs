//! Simulated weeks on the persistent adapters: the same fans, faults and audit as on memory, where the test kit
//! runs a whole one, and the same report to the last count.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::CommitAndEnqueue;
use fanvue_bot::memory::MemoryBackend;
use fanvue_bot::queue::JobQueue;
use fanvue_bot::sqlx::postgres::{LeaseClock, WakeUps};
use fanvue_bot::sqlx::sqlite::Synchronous;
use fanvue_bot::sqlx::{PostgresBackend, SqliteBackend};
use fanvue_bot::store::Store;
use fanvue_bot_testkit::day::{Character, Day, DayReport};

use crate::postgres_server::fresh;

/// The days of the week that are simulated. Set `WEEK_DAYS` for more than a normal run has; a whole week of 100
/// creators and 5,000 fans takes hours here, with `WEEK_CREATORS=100 WEEK_FANS=50`.
fn week() -> Day {
    let setting = |name: &str, default: u32| {
        let text = std::env::var(name).unwrap_or_default();
        text.parse().unwrap_or(default)
    };
    let creators = usize::try_from(setting("WEEK_CREATORS", 2)).unwrap();
    let fans = usize::try_from(setting("WEEK_FANS", 12)).unwrap();
    Day::week(3)
        .people(creators, fans)
        .bursts(2)
        .length(Duration::from_secs(86_400) * setting("WEEK_DAYS", 1))
}

async fn report<B>(backend: B) -> DayReport
where
    B: Store + JobQueue + CommitAndEnqueue,
{
    match week().run(Arc::new(backend)).await {
        Ok(report) => report,
        Err(failure) => panic!("{failure}"),
    }
}

async fn on_memory() -> DayReport {
    let report = report(MemoryBackend::new()).await;
    println!("{report}");
    assert_eq!(report.by_character.len(), Character::ALL.len());
    assert!(report.replies > 0 && report.faults > 0 && report.crashes > 0);
    report
}

#[tokio::test]
async fn a_week_on_sqlite_ends_as_on_memory() {
    let folder = tempfile::tempdir().unwrap();
    // What a power failure loses is not part of the week, so the disk need not be waited for.
    let backend = SqliteBackend::builder(folder.path().join("week.db"))
        .synchronous(Synchronous::Normal)
        .open()
        .await
        .unwrap();
    assert_eq!(report(backend.clone()).await, on_memory().await);
    backend.close().await;
}

/// Time is virtual, so leases lapse by it too.
#[tokio::test]
async fn a_week_on_postgres_ends_as_on_memory() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::builder(database.address())
        .lease_clock(LeaseClock::Caller)
        .wake_ups(WakeUps::Poll)
        .open()
        .await
        .unwrap();
    assert_eq!(report(backend.clone()).await, on_memory().await);
    backend.close().await;
}
