//! Postgres: the pool is shared, and row level security holds for entities too.

use std::time::Duration;

use fanvue_bot_core::store::Store as _;
use fanvue_bot_sqlx::PostgresBackend;
use fanvue_bot_sqlx::postgres::{OpenError, PostgresBuilder, WakeUps};
use fanvue_bot_sqlx::sea_orm::begin_for;
use fanvue_bot_sqlx::sea_orm::entity::postgres::{conversation, message};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseBackend, DatabaseConnection,
    EntityTrait as _, Statement,
};

use super::without_a_pool;
use crate::given::{conversation_id, intake, message_id};
use crate::postgres::server::{Fresh, fresh};

/// An application with one connection, so that whoever kept it would be noticed.
async fn application(database: &Fresh) -> DatabaseConnection {
    let mut options = ConnectOptions::new(database.address());
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        // Nothing of ours is found by its search path.
        .set_schema_search_path("pg_catalog");
    Database::connect(options).await.unwrap()
}

#[tokio::test]
async fn an_application_and_the_bot_work_on_one_pool() {
    let Some(database) = fresh().await else {
        return;
    };
    let connection = application(&database).await;
    let backend = PostgresBuilder::from_sea_orm(&connection)
        .unwrap()
        .wake_ups(WakeUps::Poll)
        .open()
        .await
        .unwrap();
    let id = conversation_id(1, 1);
    backend.commit(&intake(id, 1), None).await.unwrap();
    assert!(backend.message(id, message_id(1)).await.unwrap().is_some());
    let sessions = Statement::from_string(
        DatabaseBackend::Postgres,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    );
    let row = connection.query_one_raw(sessions).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1);

    // The pool is the application's: it goes on after the back end was closed, which does not.
    backend.close().await;
    let error = backend.message(id, message_id(1)).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("closed by this process"), "{source}");
    connection.ping().await.unwrap();
    let again = PostgresBackend::from_sea_orm(&connection).await.unwrap();
    assert!(again.message(id, message_id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_query_without_a_tenant_sees_nothing_and_with_one_its_rows_only() {
    let Some(database) = fresh().await else {
        return;
    };
    let connection = application(&database).await;
    let backend = PostgresBackend::from_sea_orm(&connection).await.unwrap();
    let (mia, zoe) = (conversation_id(1, 1), conversation_id(2, 1));
    backend.commit(&intake(mia, 1), None).await.unwrap();
    backend.commit(&intake(zoe, 2), None).await.unwrap();

    for _ in 0..2 {
        assert!(
            message::Entity::find()
                .all(&connection)
                .await
                .unwrap()
                .is_empty()
        );
        for (id, number) in [(mia, 1), (zoe, 2)] {
            let transaction = begin_for(&connection, id.creator).await.unwrap();
            let seen = message::Entity::find().all(&transaction).await.unwrap();
            let ids: Vec<_> = seen.iter().map(|message| message.id).collect();
            assert_eq!(ids, [message_id(number).as_uuid()]);
            let seen = conversation::Entity::find()
                .all(&transaction)
                .await
                .unwrap();
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].creator_id, id.creator.as_uuid());
            transaction.commit().await.unwrap();
        }
        // The one connection has served both tenants by now.
    }
}

#[tokio::test]
async fn a_connection_without_a_pool_to_share_is_refused_in_words() {
    for (connection, found) in without_a_pool(DatabaseBackend::Postgres) {
        let error = PostgresBackend::from_sea_orm(&connection)
            .await
            .unwrap_err();
        assert!(matches!(error, OpenError::NotPostgres { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("postgres://"), "{error}");
    }
    let sqlite = Database::connect("sqlite::memory:").await.unwrap();
    let error = PostgresBackend::from_sea_orm(&sqlite).await.unwrap_err();
    assert!(
        error.to_string().contains("SqlxSqlitePoolConnection"),
        "{error}"
    );
}

#[tokio::test]
async fn a_tenant_is_named_only_where_our_tables_can_be() {
    let mysql = sea_orm::MockDatabase::new(DatabaseBackend::MySql).into_connection();
    let error = begin_for(&mysql, conversation_id(1, 1).creator)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Postgres or SQLite"), "{error}");
    let none = DatabaseConnection::default();
    assert!(
        begin_for(&none, conversation_id(1, 1).creator)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_the_pool_decides_is_not_set_on_the_back_end() {
    let Some(database) = fresh().await else {
        return;
    };
    let connection = application(&database).await;
    let builder = || PostgresBuilder::from_sea_orm(&connection).unwrap();
    for (setting, builder) in [
        ("max_connections", builder().max_connections(5)),
        (
            "acquire_timeout",
            builder().acquire_timeout(Duration::from_secs(1)),
        ),
    ] {
        let error = builder.open().await.unwrap_err();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
    assert!(!format!("{:?}", builder()).contains("fanvue_bot_test:"));
}

#[tokio::test]
async fn a_pool_whose_connections_became_another_role_is_checked_as_that_role() {
    let Some(database) = fresh().await else {
        return;
    };
    let admin = std::env::var("TEST_DATABASE_URL").unwrap();
    let (_, query) = admin.split_once('?').unwrap_or((&admin, ""));
    // A role that row level security does not hold for, under a name that it does hold for.
    let own = database.address();
    let address = own
        .split('?')
        .next()
        .unwrap()
        .replace("fanvue_bot_test:fanvue_bot_test@", "postgres@");
    let mut options = ConnectOptions::new(format!("{address}?{query}"));
    options.max_connections(1);
    let above = Database::connect(options.clone()).await.unwrap();
    let error = PostgresBackend::from_sea_orm(&above).await.unwrap_err();
    assert!(matches!(error, OpenError::UnsealedRole { .. }), "{error:?}");

    options.after_connect(|connection| {
        Box::pin(async move {
            connection
                .execute_unprepared("SET ROLE fanvue_bot_test")
                .await?;
            Ok(())
        })
    });
    let lowered = Database::connect(options).await.unwrap();
    PostgresBackend::from_sea_orm(&lowered).await.unwrap();
}
