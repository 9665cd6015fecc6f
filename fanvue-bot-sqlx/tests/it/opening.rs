//! Opening what is not there, not ours, not writable, not free, or not of this version.

use std::path::Path;
use std::time::Duration;

use fanvue_bot_core::store::Store as _;
use fanvue_bot_sqlx::SqliteBackend;
use fanvue_bot_sqlx::sqlite::OpenError;
use futures_util::future::join_all;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::given::{conversation_id, db, intake, message_id};

async fn refused(path: &Path) -> OpenError {
    SqliteBackend::builder(path)
        .busy_timeout(Duration::from_millis(200))
        .open()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(&dir.path().join("no/such/bot.db")).await;
    assert!(
        matches!(error, OpenError::MissingDirectory { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("create it"));
    assert!(!dir.path().join("no").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let notes = "buy milk\n".repeat(500);
    std::fs::write(&path, &notes).unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("choose another path"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
}

#[tokio::test]
async fn a_directory_is_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(dir.path()).await;
    assert!(matches!(error, OpenError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn the_database_of_another_application_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    let mut other = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE notes (text TEXT)")
        .execute(&mut other)
        .await
        .unwrap();
    let error = refused(&path).await;
    assert!(
        matches!(error, OpenError::OtherApplication { .. }),
        "{error:?}"
    );
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_database_of_a_newer_version_stays_as_it_is() {
    let db = db().await;
    let id = conversation_id(1, 1);
    db.backend.commit(&intake(id, 1), None).await.unwrap();
    db.backend.close().await;
    sqlx::query(
        "INSERT INTO fanvue_bot_migrations (version, description, success, checksum, execution_time) \
         VALUES (1000, 'later', TRUE, x'00', 1)",
    )
    .execute(&mut db.raw().await)
    .await
    .unwrap();
    let error = refused(&db.path).await;
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 1_000,
                known: 1..1_000,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("update it"));

    sqlx::query("DELETE FROM fanvue_bot_migrations WHERE version = 1000")
        .execute(&mut db.raw().await)
        .await
        .unwrap();
    let again = SqliteBackend::open(&db.path).await.unwrap();
    assert!(again.message(id, message_id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_edited_migration_is_noticed() {
    let db = db().await;
    db.backend.close().await;
    sqlx::query("UPDATE fanvue_bot_migrations SET checksum = x'00'")
        .execute(&mut db.raw().await)
        .await
        .unwrap();
    let error = refused(&db.path).await;
    assert!(
        matches!(error, OpenError::Altered { version: 1, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_then_named() {
    let db = db().await;
    db.backend.close().await;
    let mut other = SqliteConnectOptions::new()
        .filename(&db.path)
        .pragma("locking_mode", "EXCLUSIVE")
        .connect()
        .await
        .unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let error = refused(&db.path).await;
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("busy_timeout"));
    drop(other);
    SqliteBackend::open(&db.path).await.unwrap();
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_named() {
    let db = db().await;
    db.backend.close().await;
    let read_only = std::fs::Permissions::from_mode(0o444);
    std::fs::set_permissions(&db.path, read_only).unwrap();
    std::fs::set_permissions(db.dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let opened = SqliteBackend::open(&db.path).await;
    std::fs::set_permissions(db.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    match opened {
        Err(error) => assert!(
            matches!(
                error,
                OpenError::ReadOnly { .. } | OpenError::NoAccess { .. }
            ),
            "{error:?}"
        ),
        // Permissions do not bind root.
        Ok(backend) => backend.close().await,
    }
}

use std::os::unix::fs::PermissionsExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_file_at_the_same_time() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bot.db");
        let opened = join_all((0..8_u128).map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                let backend = SqliteBackend::open(&path).await.unwrap();
                backend
                    .commit(&intake(conversation_id(1, n), n + 1), None)
                    .await
                    .unwrap();
                backend
            })
        }))
        .await;
        let backend = opened.into_iter().next().unwrap().unwrap();
        for n in 0..8 {
            let read = backend
                .message(conversation_id(1, n), message_id(n + 1))
                .await
                .unwrap();
            assert!(read.is_some());
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bot.db");
    for (builder, setting) in [
        (SqliteBackend::builder(&path).readers(0), "readers"),
        (SqliteBackend::builder(&path).lane_cap(0), "lane_cap"),
        (
            SqliteBackend::builder(&path).busy_timeout(Duration::MAX),
            "busy_timeout",
        ),
        (SqliteBackend::builder(&path).max_group(0), "max_group"),
    ] {
        let error = builder.open().await.unwrap_err();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
    assert!(!path.exists());
}
