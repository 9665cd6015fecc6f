//! Row level security, asked of the database itself: whatever a statement forgets, it sees no foreign row.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::server::{Fresh, fresh, run};

/// Three creators; the last has no rows.
const MIA: &str = "00000000-0000-4000-8000-00000000000a";
const ZOE: &str = "00000000-0000-4000-8000-00000000000b";
const EVE: &str = "00000000-0000-4000-8000-00000000000e";

/// Which creator a transaction says that it works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenant {
    Unset,
    Empty,
    Wrong,
    Right,
}

const TENANTS: [Tenant; 4] = [Tenant::Unset, Tenant::Empty, Tenant::Wrong, Tenant::Right];

impl Tenant {
    /// What sets it, for a transaction that is to see Mia's rows if any.
    fn statement(self) -> String {
        match self {
            Self::Unset => String::new(),
            Self::Empty => set("app.creator", ""),
            Self::Wrong => set("app.creator", EVE),
            Self::Right => set("app.creator", MIA),
        }
    }
}

fn set(name: &str, value: &str) -> String {
    format!("SELECT set_config('{name}', '{value}', true);")
}

/// A column of a table: its name, its type, and whether it must be given.
struct Column {
    name: String,
    kind: String,
    needed: bool,
}

struct Table {
    name: String,
    columns: Vec<Column>,
}

impl Table {
    /// Makes a row of `creator`; `number` tells the rows of a table apart.
    fn insert(&self, creator: &str, number: u32) -> String {
        let needed: Vec<_> = self
            .columns
            .iter()
            .filter(|column| column.needed || column.name == "creator_id")
            .collect();
        let names: Vec<_> = needed.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<_> = needed
            .iter()
            .map(
                |column| match (column.name.as_str(), column.kind.as_str()) {
                    ("creator_id", _) => format!("'{creator}'"),
                    (_, "uuid") => format!("'00000000-0000-4000-8000-{number:012}'"),
                    (_, "bytea") => "'\\x00'".to_owned(),
                    (_, "boolean") => "false".to_owned(),
                    (_, "text") => format!("'{number}'"),
                    _ => number.to_string(),
                },
            )
            .collect();
        format!(
            "INSERT INTO fanvue_bot.{} ({}) VALUES ({});",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }
}

/// Every table with a creator, as the catalogue has them: a new one is tested without being listed here.
async fn tables(admin: &mut PgConnection) -> Vec<Table> {
    let rows = sqlx::query(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), \
         a.attnotnull AND NOT a.atthasdef FROM pg_class AS c \
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'p') \
         AND EXISTS (SELECT FROM pg_attribute AS t \
             WHERE t.attrelid = c.oid AND t.attname = 'creator_id' AND NOT t.attisdropped) \
         ORDER BY c.relname, a.attnum",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let name: String = row.get(0);
        if tables.last().is_none_or(|table| table.name != name) {
            tables.push(Table {
                name,
                columns: Vec::new(),
            });
        }
        tables.last_mut().unwrap().columns.push(Column {
            name: row.get(1),
            kind: row.get(2),
            needed: row.get(3),
        });
    }
    assert!(tables.len() >= 8, "the catalogue lists the tables");
    tables
}

/// A database with one row of Mia and one of Zoe in each table.
async fn filled() -> Option<(Fresh, Vec<Table>)> {
    let database = fresh().await?;
    let mut admin = database.connect_as_admin().await;
    let tables = tables(&mut admin).await;
    for table in &tables {
        run(&mut admin, table.insert(MIA, 1)).await;
        run(&mut admin, table.insert(ZOE, 2)).await;
    }
    admin.close().await.unwrap();
    Some((database, tables))
}

/// Runs statements in a transaction that is rolled back: how many rows the last one changed or returned, or that it
/// was refused by row level security.
async fn attempt(
    connection: &mut PgConnection,
    before: &str,
    statement: &str,
) -> Result<usize, ()> {
    let mut transaction = connection.begin().await.unwrap();
    if !before.is_empty() {
        run(&mut transaction, before.to_owned()).await;
    }
    // By the simple protocol, which a pooler in transaction mode hands on as it is.
    let result = sqlx::raw_sql(AssertSqlSafe(statement))
        .fetch_all(&mut *transaction)
        .await;
    transaction.rollback().await.unwrap();
    match result {
        Ok(rows) => Ok(rows.len()),
        Err(error) => {
            let code = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code);
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
            Err(())
        }
    }
}

/// A connection that a pooler in transaction mode takes as well.
async fn connect(address: &str) -> PgConnection {
    let options: PgConnectOptions = address.parse().unwrap();
    PgConnection::connect_with(&options.extra_float_digits(None))
        .await
        .unwrap()
}

/// Every table x select, insert, update, delete x tenant unset, empty, wrong, right.
async fn check_matrix(connection: &mut PgConnection, tables: &[Table]) {
    for table in tables {
        let name = &table.name;
        for tenant in TENANTS {
            let own = if tenant == Tenant::Right {
                Ok(1)
            } else {
                Ok(0)
            };
            let told = format!("{name} with the tenant {tenant:?}");
            let before = tenant.statement();
            let all = format!("SELECT * FROM fanvue_bot.{name}");
            assert_eq!(
                attempt(connection, &before, &all).await,
                own,
                "select from {told}"
            );
            let foreign = format!("SELECT * FROM fanvue_bot.{name} WHERE creator_id = '{ZOE}'");
            assert_eq!(
                attempt(connection, &before, &foreign).await,
                Ok(0),
                "{told}"
            );
            let update = format!(
                "UPDATE fanvue_bot.{name} SET creator_id = creator_id RETURNING creator_id"
            );
            assert_eq!(
                attempt(connection, &before, &update).await,
                own,
                "update of {told}"
            );
            let delete = format!("DELETE FROM fanvue_bot.{name} RETURNING creator_id");
            assert_eq!(
                attempt(connection, &before, &delete).await,
                own,
                "delete from {told}"
            );

            let insert = attempt(connection, &before, &table.insert(ZOE, 3)).await;
            assert_eq!(insert, Err(()), "a foreign row into {told}");
            // In place of the one that is there, which may be the only one of its kind.
            let before = format!("{before} DELETE FROM fanvue_bot.{name};");
            let insert = attempt(connection, &before, &table.insert(MIA, 3)).await;
            let expected = if tenant == Tenant::Right {
                Ok(0)
            } else {
                Err(())
            };
            assert_eq!(insert, expected, "a row into {told}");
        }
        let give_away =
            format!("UPDATE fanvue_bot.{name} SET creator_id = '{ZOE}' RETURNING creator_id");
        let given = attempt(connection, &Tenant::Right.statement(), &give_away).await;
        assert_eq!(given, Err(()), "a row of {name} given to another creator");
    }
}

#[tokio::test]
async fn no_statement_reaches_a_foreign_row() {
    let Some((database, tables)) = filled().await else {
        return;
    };
    let mut connection = database.connect().await;
    check_matrix(&mut connection, &tables).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn no_statement_reaches_a_foreign_row_through_a_pooler() {
    let Some((database, tables)) = filled().await else {
        return;
    };
    let Some(address) = database.address_behind_pooler() else {
        return;
    };
    let mut connection = connect(&address).await;
    check_matrix(&mut connection, &tables).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_tenant_ends_with_its_transaction_whoever_has_the_connection_next() {
    let Some((database, _)) = filled().await else {
        return;
    };
    for address in [Some(database.address()), database.address_behind_pooler()] {
        let Some(address) = address else { continue };
        let count = "SELECT creator_id FROM fanvue_bot.jobs";
        // More clients than the pooler has connections.
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(connect(&address).await);
        }
        for client in &mut clients {
            let mut transaction = client.begin().await.unwrap();
            run(&mut transaction, Tenant::Right.statement()).await;
            let seen = sqlx::raw_sql(count)
                .fetch_all(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(seen.len(), 1);
            transaction.commit().await.unwrap();
        }
        for client in &mut clients {
            let seen = sqlx::raw_sql(count).fetch_all(&mut *client).await.unwrap();
            assert_eq!(seen.len(), 0);
        }
    }
}

#[tokio::test]
async fn what_crosses_tenants_reaches_its_own_tables_only() {
    let Some((database, tables)) = filled().await else {
        return;
    };
    let mut connection = database.connect().await;
    // For each purpose: the tables that it reads, and those that it writes.
    let purposes: [(&str, &[&str], &[&str]); 6] = [
        (
            "queue",
            &["dead_letters", "job_keys", "jobs"],
            &["dead_letters", "job_keys", "jobs"],
        ),
        ("due", &["conversations"], &[]),
        ("creators", &["creators"], &[]),
        ("rotation", &["secrets"], &[]),
        ("deployment", &[], &[]),
        ("anything", &[], &[]),
    ];
    for (purpose, reads, writes) in purposes {
        let before = set("app.crossing", purpose);
        for table in &tables {
            let name = table.name.as_str();
            let expected = |list: &[&str]| Ok(if list.contains(&name) { 2 } else { 0 });
            let select = format!("SELECT creator_id FROM fanvue_bot.{name}");
            let seen = attempt(&mut connection, &before, &select).await;
            assert_eq!(seen, expected(reads), "{purpose} reads {name}");
            let delete = format!("DELETE FROM fanvue_bot.{name} RETURNING creator_id");
            let gone = attempt(&mut connection, &before, &delete).await;
            assert_eq!(gone, expected(writes), "{purpose} writes {name}");
        }
    }
    // An account shows the creator who has it, and nothing else.
    let mut admin = database.connect_as_admin().await;
    let account = "UPDATE fanvue_bot.creators SET account_id = creator_id";
    run(&mut admin, account.to_owned()).await;
    for table in &tables {
        let select = format!("SELECT creator_id FROM fanvue_bot.{}", table.name);
        let seen = attempt(&mut connection, &set("app.account", ZOE), &select).await;
        assert_eq!(
            seen,
            Ok(usize::from(table.name == "creators")),
            "{}",
            table.name
        );
    }
}

#[tokio::test]
async fn the_deployments_secrets_are_no_tenants() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut admin = database.connect_as_admin().await;
    let secret = "INSERT INTO fanvue_bot.secrets (kind, revision, sealed) VALUES ('k', 1, '\\x00')";
    run(&mut admin, secret.to_owned()).await;
    let mut connection = database.connect().await;
    let select = "SELECT kind FROM fanvue_bot.secrets";
    for tenant in TENANTS {
        let before = tenant.statement();
        let seen = attempt(&mut connection, &before, select).await;
        assert_eq!(seen, Ok(0), "{tenant:?}");
        let another =
            "INSERT INTO fanvue_bot.secrets (kind, revision, sealed) VALUES ('l', 1, '\\x00')";
        let written = attempt(&mut connection, &before, another).await;
        assert_eq!(written, Err(()), "{tenant:?}");
    }
    let crossing = set("app.crossing", "deployment");
    assert_eq!(attempt(&mut connection, &crossing, select).await, Ok(1));
}

#[tokio::test]
async fn every_table_with_a_creator_has_forced_row_level_security() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut admin = database.connect_as_admin().await;
    let rows = sqlx::query(
        "SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity, \
         EXISTS (SELECT FROM pg_attribute AS a \
             WHERE a.attrelid = c.oid AND a.attname = 'creator_id' AND NOT a.attisdropped), \
         (SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy AS p \
             WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polcmd = '*' AND p.polpermissive) \
         FROM pg_class AS c WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let mut of_nobody = Vec::new();
    for row in rows {
        let (name, forced, tenant, policy): (String, bool, bool, Option<String>) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if !tenant {
            of_nobody.push(name);
            continue;
        }
        assert!(forced, "{name} has no forced row level security");
        assert_eq!(
            policy.as_deref(),
            Some(
                "(creator_id = (NULLIF(current_setting('app.creator'::text, true), ''::text))::uuid)"
            ),
            "{name}"
        );
    }
    of_nobody.sort();
    // Whatever else there is must say whose it is.
    assert_eq!(of_nobody, ["leases", "migrations", "registers"]);
}
