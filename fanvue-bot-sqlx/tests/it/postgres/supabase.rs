//! What is different on Supabase, as far as a server of our own can be made like it: an administrator who is no
//! superuser and has BYPASSRLS, roles of its API that get rights by default, event triggers, and its pooler's names.

use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::{creator::Creator, id::CreatorId};
use fanvue_bot_sqlx::PostgresBackend;
use fanvue_bot_sqlx::postgres::{Migrations, OpenError, ROLES};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::server::{Fresh, admin, alone_with_roles, empty, run};

/// The administrator, as Supabase's `postgres`.
const HOST: &str = "fanvue_bot_test_host";

/// The roles of Supabase's API: for anybody, for users, and for servers, which row level security does not hold for.
const API: [&str; 3] = [
    "fanvue_bot_test_anon",
    "fanvue_bot_test_authenticated",
    "fanvue_bot_test_service",
];

async fn supabase(label: &str) -> Option<Fresh> {
    let database = empty(label).await?;
    let mut admin = admin().await;
    let mut inside = database.connect_as_admin().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut inside)
        .await
        .unwrap();
    run(
        &mut admin,
        format!(
            "CREATE ROLE {HOST} LOGIN PASSWORD '{HOST}' NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS; \
             CREATE ROLE {} NOLOGIN; CREATE ROLE {} NOLOGIN; CREATE ROLE {} NOLOGIN BYPASSRLS; \
             ALTER DATABASE {name} OWNER TO {HOST}",
            API[0], API[1], API[2]
        ),
    )
    .await;
    let api = API.join(", ");
    // What Supabase's own migrations leave behind, and the worst that a project's owner adds to it by hand.
    run(
        &mut inside,
        format!(
            "ALTER SCHEMA public OWNER TO {HOST}; GRANT USAGE ON SCHEMA public TO {api}; \
             CREATE SCHEMA auth; CREATE SCHEMA storage; GRANT USAGE ON SCHEMA auth, storage TO {api}; \
             ALTER DEFAULT PRIVILEGES FOR ROLE {HOST} GRANT ALL ON TABLES TO {api}; \
             ALTER DEFAULT PRIVILEGES FOR ROLE {HOST} GRANT ALL ON FUNCTIONS TO {api}; \
             ALTER DEFAULT PRIVILEGES FOR ROLE {HOST} GRANT ALL ON SEQUENCES TO {api}; \
             CREATE FUNCTION public.reload() RETURNS event_trigger LANGUAGE plpgsql \
                 AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$; \
             CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION public.reload()"
        ),
    )
    .await;
    Some(database)
}

async fn refused(connection: &mut PgConnection, sql: &str) {
    let error = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .expect_err(sql);
    let code = error.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
}

#[tokio::test]
async fn an_administrator_like_supabases_makes_the_roles_and_its_api_reaches_nothing() {
    let Some(turn) = alone_with_roles().await else {
        return;
    };
    let Some(database) = supabase("supabase").await else {
        return;
    };
    let mut host = PgConnection::connect(&database.address_as(HOST))
        .await
        .unwrap();

    // The administrator itself is refused, in words that lead to the roles.
    let error = PostgresBackend::open(database.address_as(HOST))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::UnsealedRole { .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains("has BYPASSRLS") && words.contains("roles.sql"),
        "{words}"
    );

    run(&mut host, ROLES.to_owned()).await;
    run(&mut host, ROLES.to_owned()).await;
    for role in ["fanvue_bot_owner", "fanvue_bot_app"] {
        run(
            &mut host,
            format!("ALTER ROLE {role} LOGIN PASSWORD '{role}'"),
        )
        .await;
    }
    let owner = PostgresBackend::open(database.address_as("fanvue_bot_owner"))
        .await
        .unwrap();
    let app = PostgresBackend::builder(database.address_as("fanvue_bot_app"))
        .migrations(Migrations::Expect)
        .open()
        .await
        .unwrap();
    let id: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse().unwrap();
    let mia = Creator::new(id, Persona::named("Mia"));
    app.commit(&mia.into(), None).await.unwrap();
    assert!(app.creator(id).await.unwrap().is_some());

    let mut inside = database.connect_as_admin().await;
    let objects = sqlx::query(
        "SELECT format('TABLE fanvue_bot.%I', relname) FROM pg_class \
         WHERE relnamespace = 'fanvue_bot'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(&mut inside)
    .await
    .unwrap();
    assert!(objects.len() >= 8);
    for role in API {
        run(&mut inside, format!("SET ROLE {role}")).await;
        for row in &objects {
            refused(&mut inside, &row.get::<String, _>(0)).await;
        }
        refused(&mut inside, "SELECT fanvue_bot.register('x')").await;
        refused(&mut inside, "SELECT nextval('fanvue_bot.fences')").await;
        run(&mut inside, "RESET ROLE".to_owned()).await;
    }
    // Who the bot works as becomes none of the others.
    let mut as_app = PgConnection::connect(&database.address_as("fanvue_bot_app"))
        .await
        .unwrap();
    for role in ["fanvue_bot_owner", HOST, API[2]] {
        refused(&mut as_app, &format!("SET ROLE {role}")).await;
    }
    for sql in ["CREATE TABLE fanvue_bot.mine ()", "CREATE SCHEMA mine"] {
        refused(&mut as_app, sql).await;
    }

    app.close().await;
    owner.close().await;
    drop((host, as_app));
    let roles = ["fanvue_bot_owner", "fanvue_bot_app", HOST];
    for role in roles.iter().chain(&API) {
        run(
            &mut inside,
            format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}"),
        )
        .await;
    }
    for role in roles.iter().rev().chain(&API) {
        run(&mut inside, format!("DROP ROLE {role}")).await;
    }
    drop(turn);
}
