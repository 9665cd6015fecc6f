//! A full disk: what does not fit fails, what was acknowledged stays, and it goes on when there is space.

use fanvue_bot_core::queue::JobQueue as _;
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::store::{Store as _, StoreError};
use fanvue_bot_sqlx::SqliteBackend;
use fanvue_bot_sqlx::sqlite::OpenError;

use crate::given::{conversation_id, intake, job, message_id};
use crate::small::SmallDisk;

fn words(error: &StoreError) -> String {
    let StoreError::Unavailable { source } = error else {
        panic!("{error:?}")
    };
    source.to_string()
}

#[tokio::test]
async fn what_does_not_fit_fails_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bot.db");
    let small = SqliteBackend::builder(&path)
        .max_bytes(400_000)
        .open()
        .await
        .unwrap();
    let mut stored = 0_u128;
    let error = loop {
        let id = conversation_id(1, stored + 1);
        match small.commit(&intake(id, stored + 1), None).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the limit has no effect");
    };
    assert!(stored > 100);
    assert!(words(&error).contains("free space"), "{}", words(&error));
    // It fails the same way again, and reads go on.
    let id = conversation_id(1, stored + 1);
    let again = small
        .commit(&intake(id, stored + 1), None)
        .await
        .unwrap_err();
    assert!(words(&again).contains("free space"));
    assert!(small.conversation(id).await.unwrap().is_none());
    small.close().await;

    let roomy = SqliteBackend::open(&path).await.unwrap();
    for n in 1..=stored {
        let read = roomy
            .message(conversation_id(1, n), message_id(n))
            .await
            .unwrap();
        assert!(read.is_some(), "message {n}");
    }
    roomy.commit(&intake(id, stored + 1), None).await.unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_fit_at_all_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bot.db");
    let error = SqliteBackend::builder(&path)
        .max_bytes(8_192)
        .open()
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("raise max_bytes"), "{error}");
    SqliteBackend::open(&path).await.unwrap();
}

#[tokio::test]
async fn on_a_disk_that_is_full_what_was_acknowledged_stays_and_work_goes_on_with_space() {
    let Some(disk) = SmallDisk::new(3 << 20, 1 << 20, 0) else {
        return;
    };
    let backend = SqliteBackend::open(disk.path().join("bot.db"))
        .await
        .unwrap();
    let mut stored = 0_u128;
    let error = loop {
        let id = conversation_id(1, stored + 1);
        match backend.commit(&intake(id, stored + 1), None).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(stored > 100);
    assert!(words(&error).contains("free space"), "{}", words(&error));
    assert_eq!(error.retry(), Retry::Backoff);
    let refused = conversation_id(1, stored + 1);
    let job = job(refused, "k", 0);
    let error = backend
        .enqueue(std::slice::from_ref(&job))
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(backend.conversation(refused).await.unwrap().is_none());

    disk.throw_ballast();
    backend
        .commit(&intake(refused, stored + 1), None)
        .await
        .unwrap();
    backend.enqueue(&[job]).await.unwrap();
    for number in 1..=stored + 1 {
        let id = conversation_id(1, number);
        let read = backend.message(id, message_id(number)).await.unwrap();
        assert!(read.is_some(), "message {number}");
    }
    backend.close().await;
}

#[tokio::test]
async fn a_database_on_a_disk_that_only_reads_is_named() {
    let Some(disk) = SmallDisk::new(3 << 20, 0, 0) else {
        return;
    };
    let path = disk.path().join("bot.db");
    SqliteBackend::open(&path).await.unwrap().close().await;
    disk.set_read_only();
    // The file that is there needs a log beside it, and another one cannot be made.
    for path in [path, disk.path().join("new.db")] {
        let error = SqliteBackend::open(path).await.unwrap_err();
        assert!(matches!(error, OpenError::NoAccess { .. }), "{error:?}");
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}
