//! Entities have what the migrations make: no column more, none less, of its type.

use std::collections::BTreeMap;

use fanvue_bot_sqlx::sea_orm::entity::{postgres, sqlite};
use sea_orm::{ColumnTrait as _, ColumnType, EntityTrait, IdenStatic as _, Iterable as _};
use sqlx::Row as _;

use crate::given::db;
use crate::postgres::server::fresh;

/// Tables that have no entity, each for its reason.
const LEFT_OUT: [&str; 6] = [
    // Sealed; a vault reads them.
    "secrets",
    // Bodies of webhooks as they came, for a moment.
    "inbox",
    // Ids of which nothing else is left.
    "erased_creators",
    // What the migrations and the numbering keep for themselves.
    "migrations",
    "fanvue_bot_migrations",
    "sequence",
];

/// Columns by table and name: their type, and whether they may be null.
type Columns = BTreeMap<(String, String), (&'static str, bool)>;

fn add<E: EntityTrait>(columns: &mut Columns, schema: &str) {
    let entity = E::default();
    assert_eq!(entity.schema_name(), Some(schema));
    for column in E::Column::iter() {
        let definition = column.def();
        let kind = match definition.get_column_type() {
            ColumnType::Uuid => "uuid",
            ColumnType::String(_) | ColumnType::Text => "text",
            ColumnType::Boolean => "boolean",
            ColumnType::SmallInteger => "smallint",
            ColumnType::Integer => "integer",
            ColumnType::BigInteger => "bigint",
            other => panic!("{other:?}"),
        };
        let name = (entity.table_name().to_owned(), column.as_str().to_owned());
        columns.insert(name, (kind, definition.is_null()));
    }
}

macro_rules! columns {
    ($schema:literal: $($back_end:ident::$module:ident),+) => {{
        let mut columns = Columns::new();
        $(add::<$back_end::$module::Entity>(&mut columns, $schema);)+
        columns
    }};
}

#[tokio::test]
async fn entities_on_postgres_have_every_column_of_every_table() {
    let Some(database) = fresh().await else {
        return;
    };
    let rows = sqlx::query(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), NOT a.attnotnull \
         FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'p')",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    let mut found = Columns::new();
    for row in rows {
        let table: String = row.get(0);
        let kind = match row.get::<&str, _>(2) {
            "uuid" => "uuid",
            "text" => "text",
            "boolean" => "boolean",
            "smallint" => "smallint",
            "integer" => "integer",
            "bigint" => "bigint",
            _ if LEFT_OUT.contains(&table.as_str()) => continue,
            other => panic!("{table}: {other}"),
        };
        if !LEFT_OUT.contains(&table.as_str()) {
            found.insert((table, row.get(1)), (kind, row.get(3)));
        }
    }
    let entities = columns!("fanvue_bot": postgres::creator, postgres::conversation, postgres::fan,
        postgres::message, postgres::transaction, postgres::dead_letter, postgres::lease, postgres::register, postgres::job,
        postgres::job_key, postgres::broadcast, postgres::recipient);
    assert_eq!(found, entities);
}

#[tokio::test]
async fn entities_on_sqlite_have_every_column_of_every_table() {
    let db = db().await;
    let rows = sqlx::query(
        "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 AND NOT (c.pk > 0 AND c.type = 'INTEGER') \
         FROM sqlite_schema AS t JOIN pragma_table_xinfo(t.name) AS c WHERE t.type = 'table'",
    )
    .fetch_all(&mut db.raw().await)
    .await
    .unwrap();
    let mut found = Columns::new();
    for row in rows {
        let table: String = row.get(0);
        if LEFT_OUT.contains(&table.as_str()) {
            continue;
        }
        let kind = match row.get::<&str, _>(2) {
            "BLOB" => "uuid",
            "TEXT" => "text",
            // One type for all that count, and for yes and no.
            "INTEGER" => "integer",
            other => panic!("{table}: {other}"),
        };
        found.insert((table, row.get(1)), (kind, row.get(3)));
    }
    let mut entities = columns!("main": sqlite::creator, sqlite::conversation, sqlite::fan, sqlite::message,
        sqlite::transaction, sqlite::dead_letter, sqlite::lease, sqlite::register, sqlite::job, sqlite::lane, sqlite::job_key,
        sqlite::broadcast, sqlite::recipient);
    for (kind, _) in entities.values_mut() {
        if matches!(*kind, "boolean" | "smallint" | "bigint") {
            *kind = "integer";
        }
    }
    assert_eq!(found, entities);
}
