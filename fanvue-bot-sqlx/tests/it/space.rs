//! A full disk: what does not fit fails, what was acknowledged stays, and it goes on when there is space.

use fanvue_bot_core::store::{Store as _, StoreError};
use fanvue_bot_sqlx::SqliteBackend;
use fanvue_bot_sqlx::sqlite::OpenError;

use crate::given::{conversation_id, intake, message_id};

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
