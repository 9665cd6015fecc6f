//! Opening a database: what is refused, in words that say what to do, and what is safe to do at once.

use std::error::Error as _;
use std::time::Duration;

use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _, WorkerId};
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_sqlx::PostgresBackend;
use fanvue_bot_sqlx::postgres::{Migrations, OpenError, ROLES};
use tokio::task::JoinSet;

use super::server::{Fresh, ROLE, admin, alone_with_roles, empty, fresh, run};

pub(super) fn creator(number: u128) -> Creator {
    Creator::new(
        CreatorId::from_uuid(uuid::Uuid::from_u128(number)),
        Persona::named("Mia"),
    )
}

async fn refused(address: String) -> OpenError {
    match PostgresBackend::open(address).await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

/// What an operator reads: the error and what it came from.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_and_its_password_is_not_shown() {
    for address in [
        "",
        "bot.db",
        "postgres://mia:hunter2@[::1",
        "mysql://mia:hunter2@host/db",
    ] {
        let error = refused(address.to_owned()).await;
        assert!(matches!(error, OpenError::Address), "{error:?}");
        let shown = format!("{error} {error:?} {}", words(&error));
        assert!(!shown.contains("hunter2"), "{shown}");
        let builder = format!("{:?}", PostgresBackend::builder(address));
        assert!(!builder.contains("hunter2"), "{builder}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_as_unreachable() {
    for address in [
        // Port 1 of this machine: nobody answers there.
        "postgres://mia@127.0.0.1:1/bot",
        // A name that no host ever has.
        "postgresql://mia@host.invalid/bot",
        "postgres://mia@localhost/bot?host=/no/such/folder",
    ] {
        let error = refused(address.to_owned()).await;
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("check the address"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let Some(database) = fresh().await else {
        return;
    };
    // The one role that the server of `scripts/postgres` asks for its password.
    let role = "fanvue_bot_test_locked";
    let mut admin = admin().await;
    run(
        &mut admin,
        format!("CREATE ROLE {role} LOGIN PASSWORD 'another'"),
    )
    .await;
    let opened = PostgresBackend::open(database.address_as(role)).await;
    run(&mut admin, format!("DROP ROLE {role}")).await;
    let error = opened.unwrap_err();
    if matches!(error, OpenError::MissingRight { .. }) {
        eprintln!("SKIPPED: the server lets everybody in without a password");
        return;
    }
    assert!(matches!(error, OpenError::Login { .. }), "{error:?}");
    assert!(error.to_string().contains("check both"), "{error}");
    assert!(!words(&error).contains(&format!(":{role}@")));
}

#[tokio::test]
async fn an_unknown_role_and_an_unknown_database_are_told_apart() {
    let Some(database) = fresh().await else {
        return;
    };
    let error = refused(database.address_as("fanvue_bot_nobody")).await;
    assert!(matches!(error, OpenError::Login { .. }), "{error:?}");
    let elsewhere = database
        .address()
        .replace("fanvue_bot_test_", "fanvue_bot_nowhere_");
    let error = refused(elsewhere).await;
    assert!(matches!(error, OpenError::NoDatabase { .. }), "{error:?}");
}

#[tokio::test]
async fn a_role_that_row_level_security_does_not_hold_for_is_refused() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut admin = admin().await;
    for (role, right, why) in [
        ("fanvue_bot_test_above", "SUPERUSER", "is a superuser"),
        ("fanvue_bot_test_beside", "BYPASSRLS", "has BYPASSRLS"),
    ] {
        run(&mut admin, format!("DROP ROLE IF EXISTS {role}")).await;
        run(
            &mut admin,
            format!("CREATE ROLE {role} LOGIN PASSWORD '{role}' {right}"),
        )
        .await;
        let error = refused(database.address_as(role)).await;
        run(&mut admin, format!("DROP ROLE {role}")).await;
        assert!(matches!(error, OpenError::UnsealedRole { .. }), "{error:?}");
        let words = error.to_string();
        assert!(
            words.contains(why) && words.contains("NOBYPASSRLS"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_role_that_may_not_make_the_tables_is_told_which_right_it_lacks() {
    let Some(database) = empty("rights").await else {
        return;
    };
    let mut inside = database.connect_as_admin().await;
    run(&mut inside, "CREATE SCHEMA fanvue_bot".to_owned()).await;
    let error = refused(database.address()).await;
    assert!(matches!(error, OpenError::MissingRight { .. }), "{error:?}");
    assert!(error.to_string().contains(ROLE), "{error}");
    assert!(error.to_string().contains("roles.sql"), "{error}");
}

#[tokio::test]
async fn a_role_that_may_not_use_a_part_of_the_schema_is_told_which() {
    let Some(turn) = alone_with_roles().await else {
        return;
    };
    let Some(database) = empty("parts").await else {
        return;
    };
    PostgresBackend::open(database.address())
        .await
        .unwrap()
        .close()
        .await;
    let mut inside = database.connect_as_admin().await;
    let role = "fanvue_bot_test_user";
    run(
        &mut inside,
        format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{role}'; GRANT USAGE ON SCHEMA fanvue_bot TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA fanvue_bot TO {role}; \
             GRANT ALL ON ALL SEQUENCES IN SCHEMA fanvue_bot TO {role}; \
             GRANT ALL ON ALL FUNCTIONS IN SCHEMA fanvue_bot TO {role}"
        ),
    )
    .await;
    PostgresBackend::open(database.address_as(role))
        .await
        .unwrap()
        .close()
        .await;
    for (taken, named) in [
        ("DELETE ON fanvue_bot.messages", "messages"),
        ("USAGE, UPDATE ON SEQUENCE fanvue_bot.fences", "fences"),
        ("EXECUTE ON FUNCTION fanvue_bot.register(text)", "register"),
        ("SELECT ON fanvue_bot.migrations", "schema fanvue_bot"),
        ("USAGE ON SCHEMA fanvue_bot", "schema fanvue_bot"),
    ] {
        let mut transaction = String::new();
        for from in [role, "PUBLIC"] {
            transaction.push_str(&format!("REVOKE {taken} FROM {from};"));
        }
        run(&mut inside, transaction).await;
        let error = refused(database.address_as(role)).await;
        assert!(matches!(error, OpenError::MissingRight { .. }), "{error:?}");
        let words = error.to_string();
        assert!(
            words.contains(named) && words.contains("roles.sql"),
            "{words}"
        );
        run(&mut inside, format!("GRANT {taken} TO {role}")).await;
    }
    run(
        &mut inside,
        format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    )
    .await;
    drop(turn);
}

#[tokio::test]
async fn the_role_script_makes_what_is_needed_and_no_more() {
    let Some(_turn) = alone_with_roles().await else {
        return;
    };
    let Some(database) = empty("roles").await else {
        return;
    };
    let mut inside = database.connect_as_admin().await;
    // Twice: an operator who is not sure runs it again.
    run(&mut inside, ROLES.to_owned()).await;
    run(&mut inside, ROLES.to_owned()).await;
    for role in ["fanvue_bot_owner", "fanvue_bot_app"] {
        run(
            &mut inside,
            format!("ALTER ROLE {role} LOGIN PASSWORD '{role}'"),
        )
        .await;
    }

    let app = || PostgresBackend::builder(database.address_as("fanvue_bot_app"));
    let early = app().migrations(Migrations::Expect).open().await;
    assert!(
        matches!(early, Err(OpenError::Pending { found: 0, .. })),
        "{early:?}"
    );
    let early = app().open().await;
    assert!(
        matches!(early, Err(OpenError::MissingRight { .. })),
        "{early:?}"
    );

    let owner = PostgresBackend::open(database.address_as("fanvue_bot_owner"))
        .await
        .unwrap();
    let backend = app().migrations(Migrations::Expect).open().await.unwrap();
    let mia = creator(1);
    backend.commit(&mia.clone().into(), None).await.unwrap();
    // The owner of the tables is under the same rules, and sees what there is.
    assert!(owner.creator(mia.id).await.unwrap().is_some());
    owner.close().await;
    backend.close().await;

    run(
        &mut inside,
        "REVOKE UPDATE ON fanvue_bot.jobs FROM fanvue_bot_app".to_owned(),
    )
    .await;
    let error = app().open().await.err().unwrap();
    assert!(error.to_string().contains("jobs"), "{error}");
    let tidy = "REASSIGN OWNED BY fanvue_bot_owner TO CURRENT_USER; DROP OWNED BY fanvue_bot_owner; \
        DROP OWNED BY fanvue_bot_app; DROP ROLE fanvue_bot_owner; DROP ROLE fanvue_bot_app";
    run(&mut inside, tidy.to_owned()).await;
}

#[tokio::test]
async fn many_who_start_at_once_on_an_empty_database_all_work() {
    let Some(database) = empty("at_once").await else {
        return;
    };
    let mut starting = JoinSet::new();
    for number in 0..6 {
        let address = database.address();
        starting.spawn(async move {
            let backend = PostgresBackend::builder(address)
                .max_connections(2)
                .open()
                .await?;
            backend.commit(&creator(number).into(), None).await.unwrap();
            Ok::<_, OpenError>(backend)
        });
    }
    let backends = starting.join_all().await;
    for (number, backend) in (0..).zip(&backends) {
        let backend = backend.as_ref().unwrap();
        assert!(backend.creator(creator(number).id).await.unwrap().is_some());
    }
}

async fn altered(database: &Fresh, sql: &str) -> OpenError {
    let mut inside = database.connect_as_admin().await;
    run(&mut inside, sql.to_owned()).await;
    refused(database.address()).await
}

#[tokio::test]
async fn a_schema_that_is_newer_or_not_ours_is_refused() {
    let Some(database) = empty("schema").await else {
        return;
    };
    PostgresBackend::open(database.address())
        .await
        .unwrap()
        .close()
        .await;
    let newer = "INSERT INTO fanvue_bot.migrations (version, description, checksum) \
        VALUES (99, 'from the future', '\\x00')";
    let error = altered(&database, newer).await;
    assert!(
        matches!(error, OpenError::Newer { found: 99, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("update it"), "{error}");
    let other = "DELETE FROM fanvue_bot.migrations WHERE version = 99; \
        UPDATE fanvue_bot.migrations SET checksum = '\\x00' WHERE version = 2";
    let error = altered(&database, other).await;
    assert!(
        matches!(error, OpenError::Altered { version: 2 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_schema_that_lost_a_part_or_its_seal_is_refused() {
    for (label, sql, named) in [
        ("lost_table", "DROP TABLE fanvue_bot.leases", "leases"),
        (
            "lost_function",
            "DROP FUNCTION fanvue_bot.register(text)",
            "register",
        ),
        (
            "lost_migrations",
            "DROP TABLE fanvue_bot.registers; DROP SEQUENCE fanvue_bot.fences",
            "fences, registers",
        ),
    ] {
        let Some(database) = empty(label).await else {
            return;
        };
        PostgresBackend::open(database.address())
            .await
            .unwrap()
            .close()
            .await;
        let error = altered(&database, sql).await;
        assert!(matches!(error, OpenError::Incomplete { .. }), "{error:?}");
        let words = error.to_string();
        assert!(words.contains(named) && words.contains("backup"), "{words}");
    }
    let Some(database) = empty("unsealed").await else {
        return;
    };
    PostgresBackend::open(database.address())
        .await
        .unwrap()
        .close()
        .await;
    for sql in [
        "ALTER TABLE fanvue_bot.messages DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE fanvue_bot.messages ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ] {
        let error = altered(&database, sql).await;
        assert!(
            matches!(&error, OpenError::UnsealedTables { tables } if tables == "messages"),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("FORCE ROW LEVEL SECURITY"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn tables_without_the_list_of_migrations_are_refused_and_stay() {
    let Some(database) = empty("unlisted").await else {
        return;
    };
    PostgresBackend::open(database.address())
        .await
        .unwrap()
        .close()
        .await;
    let error = altered(&database, "DROP TABLE fanvue_bot.migrations").await;
    assert!(matches!(error, OpenError::Unlisted), "{error:?}");
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn a_server_that_only_reads_or_isolates_otherwise_is_refused() {
    let Some(database) = empty("settings").await else {
        return;
    };
    PostgresBackend::open(database.address())
        .await
        .unwrap()
        .close()
        .await;
    let mut inside = database.connect_as_admin().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut inside)
        .await
        .unwrap();
    for (setting, value, named) in [
        (
            "default_transaction_read_only",
            "on",
            "address of the primary",
        ),
        (
            "default_transaction_isolation",
            "'repeatable read'",
            "read committed",
        ),
    ] {
        run(
            &mut inside,
            format!("ALTER DATABASE {name} SET {setting} = {value}"),
        )
        .await;
        let error = refused(database.address()).await;
        run(
            &mut inside,
            "SET default_transaction_read_only = off".to_owned(),
        )
        .await;
        run(
            &mut inside,
            format!("ALTER DATABASE {name} RESET {setting}"),
        )
        .await;
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let builder = || PostgresBackend::builder("postgres://mia@localhost/bot");
    for (setting, builder) in [
        ("max_connections", builder().max_connections(0)),
        ("max_group", builder().max_group(0)),
        ("lane_cap", builder().lane_cap(0)),
    ] {
        let error = builder.open().await.err().unwrap();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
}

#[tokio::test]
async fn a_pool_without_a_free_connection_says_so_and_loses_nothing() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::builder(database.address())
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(100))
        .open()
        .await
        .unwrap();
    // A claim waits for the lock that claims take turns by, and with it the only connection.
    let mut other = database.connect().await;
    run(
        &mut other,
        "SELECT pg_advisory_lock(1182155380, 1)".to_owned(),
    )
    .await;
    let claiming = tokio::spawn({
        let backend = backend.clone();
        async move {
            let lease = Duration::from_secs(1);
            backend
                .claim(
                    &WorkerId::new("w"),
                    &ClaimLimits::lanes(1),
                    Timestamp::from_seconds(0),
                    lease,
                )
                .await
        }
    });
    loop {
        let mut admin = admin().await;
        let waiting =
            sqlx::query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                .fetch_optional(&mut admin)
                .await
                .unwrap();
        if waiting.is_some() {
            break;
        }
    }
    let error = backend.creator(creator(1).id).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .contains("max_connections"),
        "{}",
        words(&error)
    );
    let error = backend
        .enqueue(&[crate::given::job(
            crate::given::conversation_id(1, 1),
            "k",
            0,
        )])
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);

    run(
        &mut other,
        "SELECT pg_advisory_unlock(1182155380, 1)".to_owned(),
    )
    .await;
    claiming.await.unwrap().unwrap();
    assert!(backend.creator(creator(1).id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_closed_back_end_says_that_it_is_closed() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::open(database.address()).await.unwrap();
    backend.close().await;
    let error = backend.creator(creator(1).id).await.unwrap_err();
    assert!(
        words(&error).contains("closed by this process"),
        "{}",
        words(&error)
    );
    let error = backend.commit(&creator(1).into(), None).await.unwrap_err();
    assert!(
        words(&error).contains("closed by this process"),
        "{}",
        words(&error)
    );
}
