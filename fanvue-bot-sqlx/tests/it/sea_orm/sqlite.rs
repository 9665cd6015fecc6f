//! SQLite: the file is shared.

use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _, WorkerId};
use fanvue_bot_core::store::Store as _;
use fanvue_bot_sqlx::SqliteBackend;
use fanvue_bot_sqlx::sea_orm::entity::sqlite::{self, creator, message};
use fanvue_bot_sqlx::sea_orm::{ReadOnly, begin_for};
use fanvue_bot_sqlx::sqlite::OpenError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait as _, Database, DatabaseBackend,
    DatabaseConnection, EntityTrait as _, QueryFilter as _, Statement,
};
use tempfile::TempDir;

use super::without_a_pool;
use crate::given::{at, conversation_id, intake, job, message_id};

/// An application with a table of its own, whose file is marked as its own.
async fn application(table: &str) -> (TempDir, DatabaseConnection) {
    let dir = TempDir::new().unwrap();
    let address = format!("sqlite://{}/app.db?mode=rwc", dir.path().display());
    let connection = Database::connect(address).await.unwrap();
    let own = format!(
        "CREATE TABLE {table} (text TEXT); INSERT INTO {table} VALUES ('theirs'); PRAGMA application_id = 4711"
    );
    connection.execute_unprepared(&own).await.unwrap();
    (dir, connection)
}

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(DatabaseBackend::Sqlite, sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn an_application_and_the_bot_work_in_one_file() {
    let (dir, connection) = application("notes").await;
    let backend = SqliteBackend::from_sea_orm(&connection).await.unwrap();
    let id = conversation_id(1, 1);
    backend.commit(&intake(id, 1), None).await.unwrap();
    backend.enqueue(&[job(id, "k", 0)]).await.unwrap();

    // Each sees what the other has committed.
    let read = message::Entity::find().all(&connection).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].text.as_deref(), Some("hello 1"));
    assert!(!read[0].has_media && read[0].fetched);
    let waiting = sqlite::job::Entity::find().one(&connection).await;
    let waiting = waiting.unwrap().unwrap();
    assert_eq!((waiting.attempt, waiting.last_error), (0, None));
    let lane = sqlite::lane::Entity::find().one(&connection).await;
    assert_eq!(lane.unwrap().unwrap().lane_id, waiting.lane_id);
    let note = "INSERT INTO notes VALUES ('later')";
    connection.execute_unprepared(note).await.unwrap();
    let lanes = backend
        .claim(
            &WorkerId::new("w"),
            &ClaimLimits::lanes(1),
            at(1),
            std::time::Duration::from_secs(30),
        )
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);

    // Closing the back end leaves the application's connection as it is, and what it put in the file.
    backend.close().await;
    assert_eq!(number(&connection, "SELECT count(*) FROM notes").await, 2);
    assert_eq!(number(&connection, "PRAGMA application_id").await, 4711);

    // The file is known again, with the connection and without.
    let again = SqliteBackend::from_sea_orm(&connection).await.unwrap();
    assert!(again.message(id, message_id(1)).await.unwrap().is_some());
    again.close().await;
    let alone = SqliteBackend::open(dir.path().join("app.db"))
        .await
        .unwrap();
    assert!(alone.message(id, message_id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn several_processes_of_an_application_may_start_at_once() {
    let (_dir, connection) = application("notes").await;
    let opened =
        futures_util::future::join_all((0..4).map(|_| SqliteBackend::from_sea_orm(&connection)));
    for backend in opened.await {
        backend.unwrap().close().await;
    }
    assert_eq!(number(&connection, "PRAGMA application_id").await, 4711);
}

#[tokio::test]
async fn tables_of_the_application_with_our_names_are_named_and_stay() {
    let (_dir, connection) = application("messages").await;
    let error = SqliteBackend::from_sea_orm(&connection).await.unwrap_err();
    assert!(matches!(error, OpenError::TablesTaken { .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains("messages") && words.contains("a file of its own"),
        "{words}"
    );
    let tables = "SELECT count(*) FROM sqlite_schema";
    assert_eq!(number(&connection, tables).await, 1);
}

#[tokio::test]
async fn a_file_of_another_application_is_opened_only_where_it_hands_it_over() {
    let (dir, _connection) = application("notes").await;
    let error = SqliteBackend::open(dir.path().join("app.db"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, OpenError::OtherApplication { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_without_a_file_to_share_is_refused_in_words() {
    for (connection, found) in without_a_pool(DatabaseBackend::Sqlite) {
        let error = SqliteBackend::from_sea_orm(&connection).await.unwrap_err();
        assert!(matches!(error, OpenError::NotSqlite { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("sqlite://"), "{error}");
    }
    let memory = Database::connect("sqlite::memory:").await.unwrap();
    let error = SqliteBackend::from_sea_orm(&memory).await.unwrap_err();
    assert!(matches!(error, OpenError::InMemory), "{error:?}");
    assert!(error.to_string().contains("to a file"), "{error}");
}

#[tokio::test]
async fn a_row_cannot_be_written_past_the_ports_and_shows_no_words() {
    let (_dir, connection) = application("notes").await;
    let backend = SqliteBackend::from_sea_orm(&connection).await.unwrap();
    let id = conversation_id(1, 1);
    backend.commit(&intake(id, 1), None).await.unwrap();

    let mut empty = <ReadOnly<creator::Entity> as ActiveModelTrait>::default();
    empty.set(creator::Column::Revision, 1_i64.into());
    let refused = empty.delete(&connection).await.unwrap_err();
    assert!(
        refused.to_string().contains("through its ports"),
        "{refused}"
    );
    let transaction = begin_for(&connection, id.creator).await.unwrap();
    let stored = message::Entity::find()
        .filter(message::Column::CreatorId.eq(id.creator.as_uuid()))
        .one(&transaction)
        .await
        .unwrap()
        .unwrap();
    assert!(!format!("{stored:?}").contains("hello"));
    assert_eq!(stored.fan_id, id.fan.as_uuid());
}
