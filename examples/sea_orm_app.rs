//! A small SeaORM application that has a bot: a creator's notes about fans, in a table of its own, beside the bot's
//! tables. It connects once, hands its connection to the bot, and reads what the bot did with SeaORM.
//!
//! ```sh
//! cargo run --example sea_orm_app
//! cargo run --example sea_orm_app -- --database-url postgres://role:password@localhost/app
//! ```
//!
//! Without an address it works in an SQLite file that is gone when it ends. On Postgres the role owns the database, or
//! a schema of its own in it, and is no superuser; the table `app_notes` and the schema `fanvue_bot` are made there.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::sync::Arc;

use clap::Parser;
use fanvue_bot::backend::Backend;
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::CreatorId;
use fanvue_bot::memory::MemoryVault;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::settings::Settings;
use fanvue_bot::sqlx::sea_orm::{begin_for, entity};
use fanvue_bot::sqlx::{PostgresBackend, SqliteBackend};
use fanvue_bot::time::Timestamp;
use fanvue_bot::webhook::{Hints, Verifier};
use fanvue_bot::worker::{Worker, WorkerOptions};
use fanvue_bot_testkit::chat::SimulatedChat;
use fanvue_bot_testkit::llm::{ScriptedLlm, Step};
use sea_orm::entity::prelude::*;
use sea_orm::{Database, DatabaseBackend, QueryOrder as _, QuerySelect as _, Schema, Set};

/// The application's own table.
mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "app_notes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) fan_id: Uuid,
        pub(crate) text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Debug, Parser)]
#[command(about = "A SeaORM application that shares its pool with the bot")]
struct Options {
    /// The database of the application. Default: an SQLite file that is gone at the end.
    #[arg(long, value_name = "ADDRESS")]
    database_url: Option<String>,
}

/// Who wrote a message, when, what, and what was decided about it.
type Line = (String, i64, Option<String>, Option<String>);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let address = options
        .database_url
        .unwrap_or_else(|| format!("sqlite://{}/app.db?mode=rwc", folder.path().display()));

    // The application connects, as it would without a bot, and has its table.
    let connection = Database::connect(address).await?;
    let mut table =
        Schema::new(connection.get_database_backend()).create_table_from_entity(note::Entity);
    connection.execute(table.if_not_exists()).await?;

    // The bot takes the connection.
    let backend = match connection.get_database_backend() {
        DatabaseBackend::Sqlite => {
            Backend::shared(Arc::new(SqliteBackend::from_sea_orm(&connection).await?))
        }
        _ => Backend::shared(Arc::new(PostgresBackend::from_sea_orm(&connection).await?)),
    };
    let creator = CreatorId::from_uuid(Uuid::new_v4());
    answer(backend, creator).await?;

    // The application reads what happened, and writes what is its own.
    let transaction = begin_for(&connection, creator).await?;
    println!("what the bot stored:");
    let mut fan = None;
    for (author, sent_at, text, outcome) in messages(&transaction, creator).await? {
        let sent_at = Timestamp::from_micros(sent_at);
        let (text, outcome) = (text.unwrap_or_default(), outcome.unwrap_or_default());
        println!("  {sent_at}  {author:8} {text:32} {outcome}");
    }
    for (fan_id, revision) in conversations(&transaction, creator).await? {
        println!("  conversation with {fan_id}, revision {revision}");
        fan = Some(fan_id);
    }
    transaction.commit().await?;

    if let Some(fan_id) = fan {
        let text = "asked about my day, be kind".to_owned();
        let note = note::ActiveModel {
            id: Set(Uuid::new_v4()),
            fan_id: Set(fan_id),
            text: Set(text),
        };
        note.insert(&connection).await?;
    }
    println!("the application's own notes:");
    for note in note::Entity::find().all(&connection).await? {
        println!("  {}: {}", note.fan_id, note.text);
    }
    println!(
        "who asks without naming a creator sees {}",
        unnamed(&connection).await?
    );
    Ok(())
}

/// A fan writes, and the bot answers: see `examples/quickstart.rs`.
async fn answer(backend: Backend, creator: CreatorId) -> anyhow::Result<()> {
    let fanvue = SimulatedChat::new("Luna", "Ben")?;
    let reply = Step::reply("long! but now you're here 🙂");
    let model = Arc::new(ScriptedLlm::new([reply]));
    let client = Arc::new(fanvue.client());
    let vault = Arc::new(MemoryVault::new());
    let tokens = TokenSource::new(vault, backend.store().clone(), client.clone(), fanvue.app());
    let engine = Engine::builder(backend, model, client, tokens.clone()).build();
    let luna = Creator::new(creator, Persona::named("Luna"))
        .account(fanvue.account())
        .settings(Settings::immediate());
    tokens.connect(creator, &fanvue.tokens()).await?;
    engine.backend().store().commit(&luna.into(), None).await?;

    let verifier = Verifier::new(&fanvue.webhook_secret())?;
    fanvue.fan_writes("hi Luna, how was your day?")?;
    for webhook in fanvue.webhooks() {
        let proved = verifier.verify(webhook.signature.as_bytes(), &webhook.body, engine.now())?;
        engine.accept(&proved.parse(&Hints::default())?).await?;
    }
    let answered = async {
        while fanvue.lines().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let worker = Worker::new(engine, WorkerOptions::new(WorkerId::new("worker-1")));
    worker.run(answered).await;
    Ok(())
}

/// The creator's messages, oldest first. Each back end has its entities, since their schemas differ.
async fn messages(db: &impl ConnectionTrait, creator: CreatorId) -> Result<Vec<Line>, DbErr> {
    match db.get_database_backend() {
        DatabaseBackend::Sqlite => {
            use entity::sqlite::message::{Column, Entity};
            Entity::find()
                // SQLite has no row level security: the query names the creator itself.
                .filter(Column::CreatorId.eq(creator.as_uuid()))
                .order_by_asc(Column::SentAt)
                .select_only()
                .columns([
                    Column::Author,
                    Column::SentAt,
                    Column::Text,
                    Column::Outcome,
                ])
                .into_tuple()
                .all(db)
                .await
        }
        _ => {
            use entity::postgres::message::{Column, Entity};
            Entity::find()
                .order_by_asc(Column::SentAt)
                .select_only()
                .columns([
                    Column::Author,
                    Column::SentAt,
                    Column::Text,
                    Column::Outcome,
                ])
                .into_tuple()
                .all(db)
                .await
        }
    }
}

/// The creator's conversations: the fan, and the revision.
async fn conversations(
    db: &impl ConnectionTrait,
    creator: CreatorId,
) -> Result<Vec<(Uuid, i64)>, DbErr> {
    match db.get_database_backend() {
        DatabaseBackend::Sqlite => {
            use entity::sqlite::conversation::{Column, Entity};
            let own = Entity::find().filter(Column::CreatorId.eq(creator.as_uuid()));
            let read = own.all(db).await?;
            Ok(read.iter().map(|row| (row.fan_id, row.revision)).collect())
        }
        _ => {
            let read = entity::postgres::conversation::Entity::find()
                .all(db)
                .await?;
            Ok(read.iter().map(|row| (row.fan_id, row.revision)).collect())
        }
    }
}

/// What a query sees that forgot the creator.
async fn unnamed(db: &DatabaseConnection) -> Result<String, DbErr> {
    Ok(match db.get_database_backend() {
        DatabaseBackend::Sqlite => {
            let all = entity::sqlite::message::Entity::find().count(db).await?;
            format!("{all} messages: on SQLite every query has to name the creator")
        }
        _ => {
            let all = entity::postgres::message::Entity::find().count(db).await?;
            format!("{all} messages: row level security holds")
        }
    })
}
