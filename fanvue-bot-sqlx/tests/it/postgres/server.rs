//! Databases for tests on the server at `TEST_DATABASE_URL`, each fresh and with the schema in place.
//!
//! `scripts/test` starts a server and sets the address. Without one the tests say that they are skipped; on CI they
//! fail.

#![allow(
    dead_code,
    reason = "each of the test binaries that share this file uses a part"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::PostgresBackend;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::{MutexGuard, OnceCell};

/// The role that tests work as: no superuser, and row level security holds for it.
pub(crate) const ROLE: &str = "fanvue_bot_test";

/// A database of one test.
#[derive(Debug)]
pub(crate) struct Fresh {
    name: String,
    after: After,
}

/// What becomes of a database after its test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It is emptied for another test, which takes a tenth of the time that a new one does.
    Reuse,
    Drop,
    /// It stays until a later run removes it.
    Keep,
}

/// Databases with the schema and nothing in it.
static SPARE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A fresh database with the schema, or `None` if there is no server.
pub(crate) async fn fresh() -> Option<Fresh> {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    admin_address()?;
    let template = TEMPLATE.get_or_init(template).await;
    let spare = SPARE.lock().expect("the spare databases").pop();
    if let Some(name) = spare {
        let after = After::Reuse;
        return Some(Fresh { name, after });
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(Fresh::create(&format!("{number}"), Some(template), After::Reuse).await)
}

/// A turn at the roles that the role script makes, which all databases of the server share; `None` if there is no
/// server.
pub(crate) async fn alone_with_roles() -> Option<MutexGuard<'static, ()>> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    admin_address()?;
    Some(TURN.lock().await)
}

/// A fresh database without anything in it.
pub(crate) async fn empty(label: &str) -> Option<Fresh> {
    admin_address()?;
    Some(Fresh::create(label, None, After::Drop).await)
}

impl Fresh {
    async fn create(label: &str, template: Option<&str>, after: After) -> Self {
        let name = format!("fanvue_bot_test_{}_{label}", std::process::id());
        let template = template.unwrap_or("template1");
        let mut admin = admin().await;
        prepare(&mut admin).await;
        run(
            &mut admin,
            format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}"),
        )
        .await;
        admin.close().await.expect("closed");
        Self { name, after }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the tests' role finds it.
    pub(crate) fn address(&self) -> String {
        self.address_as(ROLE)
    }

    pub(crate) fn address_as(&self, role: &str) -> String {
        let admin = admin_address().expect("a server");
        with(&admin, role, &self.name)
    }

    /// Where the tests' role finds it through PgBouncer, if there is one.
    pub(crate) fn address_behind_pooler(&self) -> Option<String> {
        let pooler = std::env::var("TEST_PGBOUNCER_URL")
            .ok()
            .filter(|address| !address.is_empty());
        if pooler.is_none() {
            missing("there is no PgBouncer at TEST_PGBOUNCER_URL");
        }
        Some(with(&pooler?, ROLE, &self.name))
    }

    /// A connection of the tests' role.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.address())
            .await
            .expect("a connection")
    }

    /// A connection of one for whom row level security does not hold.
    pub(crate) async fn connect_as_admin(&self) -> PgConnection {
        connect_as_admin(&self.name).await
    }

    /// Leaves a database behind that looks as if it had never been used, or none.
    async fn clean_up(name: String, after: After) {
        let mut admin = admin().await;
        if after == After::Drop {
            run(
                &mut admin,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .await;
        } else {
            alone(&mut admin, &name).await;
            let mut inside = connect_as_admin(&name).await;
            run(&mut inside, EMPTY.to_owned()).await;
            inside.close().await.expect("closed");
            SPARE.lock().expect("the spare databases").push(name);
        }
        admin.close().await.expect("closed");
    }
}

const EMPTY: &str = "DO $$ DECLARE name text; BEGIN \
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'fanvue_bot'::regnamespace \
        AND relkind = 'r' AND relname <> 'migrations' LOOP \
        EXECUTE format('DELETE FROM fanvue_bot.%I', name); \
    END LOOP; \
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'fanvue_bot'::regnamespace \
        AND relkind = 'S' LOOP \
        EXECUTE format('ALTER SEQUENCE fanvue_bot.%I RESTART', name); \
    END LOOP; END $$";

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.after == After::Keep {
            return;
        }
        let (name, after) = (std::mem::take(&mut self.name), self.after);
        // A runtime of its own: this one cannot be waited for in a destructor.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(Self::clean_up(name, after));
        });
        if cleaning.join().is_err() {
            eprintln!("a test's database was not cleaned up");
        }
    }
}

/// Ends all other connections to a database, and waits until they are gone.
async fn alone(admin: &mut PgConnection, name: &str) {
    loop {
        let left: i64 = sqlx::query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
        )
        .bind(name)
        .fetch_one(&mut *admin)
        .await
        .expect("who is connected")
        .get(0);
        if left == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn connect_as_admin(database: &str) -> PgConnection {
    let admin = admin_address().expect("a server");
    let (_, query) = split(&admin);
    let base = admin.split('?').next().expect("an address");
    let base = base.rsplit_once('/').expect("a database in the address").0;
    PgConnection::connect(&format!("{base}/{database}{query}"))
        .await
        .expect("a connection")
}

fn admin_address() -> Option<String> {
    let address = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|address| !address.is_empty());
    if address.is_none() {
        missing("there is no server at TEST_DATABASE_URL");
    }
    address
}

fn missing(what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "CI tests on Postgres, and {what}"
    );
    eprintln!("SKIPPED: {what}; ./scripts/test starts one");
}

/// The address's host and what follows the database.
fn split(address: &str) -> (&str, String) {
    let (_, rest) = address.split_once("://").expect("an address with a scheme");
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{query}")),
        None => (rest, String::new()),
    };
    let authority = rest.split('/').next().expect("a host");
    (authority.rsplit('@').next().expect("a host"), query)
}

fn with(address: &str, role: &str, database: &str) -> String {
    let (host, query) = split(address);
    format!("postgres://{role}:{role}@{host}/{database}{query}")
}

pub(crate) async fn admin() -> PgConnection {
    let address = admin_address().expect("a server");
    PgConnection::connect(&address)
        .await
        .expect("the server of TEST_DATABASE_URL")
}

pub(crate) async fn run(connection: &mut PgConnection, sql: String) {
    let result = sqlx::raw_sql(AssertSqlSafe(sql.as_str()))
        .execute(connection)
        .await;
    if let Err(error) = result {
        panic!("{sql}: {error}");
    }
}

/// Makes the role, once, and removes what test runs left behind that are over.
async fn prepare(admin: &mut PgConnection) {
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    PREPARED
        .get_or_init(|| async {
            // Test binaries may begin at the same time.
            run(admin, "SELECT pg_advisory_lock(1182155380, 9)".to_owned()).await;
            run(
                admin,
                format!(
                    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN \
                     CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'; END IF; END $$"
                ),
            )
            .await;
            let names = sqlx::query("SELECT datname::text FROM pg_database WHERE datname LIKE 'fanvue\\_bot\\_test\\_%'")
                .fetch_all(&mut *admin)
                .await
                .expect("the names of databases");
            for row in names {
                let name: String = row.get(0);
                let process = name.split('_').nth(3).unwrap_or_default();
                if !std::path::Path::new("/proc").join(process).exists() {
                    run(admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                }
            }
            run(admin, "SELECT pg_advisory_unlock(1182155380, 9)".to_owned()).await;
        })
        .await;
}

/// A database with the schema, of which the others are copies.
async fn template() -> String {
    let template = Fresh::create("template", None, After::Keep).await;
    let backend = PostgresBackend::open(template.address())
        .await
        .expect("a migrated database");
    backend.close().await;
    // It is copied only while nobody is connected to it.
    let mut admin = admin().await;
    alone(&mut admin, &template.name).await;
    admin.close().await.expect("closed");
    template.name.clone()
}
