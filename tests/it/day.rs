//! Simulated days on the persistent adapters: the same faults and the same audit as on memory, which runs a
//! thousand of them in the test kit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::sqlx::postgres::{LeaseClock, WakeUps};
use fanvue_bot::sqlx::sqlite::Synchronous;
use fanvue_bot::sqlx::{PostgresBackend, SqliteBackend};
use fanvue_bot_testkit::day::Day;

use crate::postgres_server::fresh;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    Direct,
    Inbox,
}

/// Time is virtual, so leases lapse by it too.
async fn on_postgres(seed: u64, intake: Intake) {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::builder(database.address())
        .lease_clock(LeaseClock::Caller)
        .wake_ups(WakeUps::Poll)
        .open()
        .await
        .unwrap();
    let mut day = Day::new(seed)
        .people(2, 2)
        .bursts(2)
        .length(Duration::from_secs(3_600));
    if intake == Intake::Inbox {
        day = day.inbox(Arc::new(backend.clone()));
    }
    let report = match day.run(Arc::new(backend.clone())).await {
        Ok(report) => report,
        Err(failure) => panic!("{failure}"),
    };
    assert!(report.replies > 0 && report.faults > 0, "{report:?}");
    backend.close().await;
}

#[tokio::test]
async fn no_fan_is_answered_twice_or_forgotten_on_postgres_in_the_first_day() {
    on_postgres(1, Intake::Direct).await;
}

#[tokio::test]
async fn no_fan_is_answered_twice_or_forgotten_on_postgres_with_an_inbox() {
    on_postgres(2, Intake::Inbox).await;
}

async fn on_sqlite(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    // What a power failure loses is not part of the day, so the disk need not be waited for.
    let backend = SqliteBackend::builder(folder.path().join("day.db"))
        .synchronous(Synchronous::Normal)
        .open()
        .await
        .unwrap();
    let day = Day::new(seed)
        .people(2, 2)
        .bursts(2)
        .length(Duration::from_secs(3_600));
    let report = match day.run(Arc::new(backend.clone())).await {
        Ok(report) => report,
        Err(failure) => panic!("{failure}"),
    };
    assert!(report.replies > 0 && report.faults > 0, "{report:?}");
    backend.close().await;
}

#[tokio::test]
async fn no_fan_is_answered_twice_or_forgotten_on_sqlite_in_the_first_day() {
    on_sqlite(1).await;
}

#[tokio::test]
async fn no_fan_is_answered_twice_or_forgotten_on_sqlite_in_the_second_day() {
    on_sqlite(2).await;
}

#[tokio::test]
async fn no_fan_is_answered_twice_or_forgotten_on_sqlite_in_the_third_day() {
    on_sqlite(3).await;
}
