//! Store, job queue and secret vault on SQL databases, for fanvue-bot.
//!
//! One SQLite file, or one Postgres database for any number of hosts, holds everything a deployment remembers:
//! creators, conversations, their fans and messages, the jobs that follow from them, and sealed secrets. An accepted
//! webhook is one durable commit.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use fanvue_bot_core::backend::{Atomicity, Backend};
//! use fanvue_bot_core::creator::Creator;
//! use fanvue_bot_core::id::CreatorId;
//! use fanvue_bot_core::persona::Persona;
//! use fanvue_bot_core::secret::{Keyring, MasterKey};
//! use fanvue_bot_core::store::Store as _;
//! use fanvue_bot_sqlx::{SqliteBackend, SqliteVault};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("bot.db");
//! # let master_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
//! let sqlite = SqliteBackend::open(path).await?;
//! let vault = SqliteVault::new(sqlite.clone(), Keyring::new(MasterKey::from_text(master_key)?));
//!
//! let mia: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse()?;
//! sqlite.commit(&Creator::new(mia, Persona::named("Mia")).into(), None).await?;
//!
//! let backend = Backend::shared(Arc::new(sqlite.clone()));
//! assert_eq!(backend.atomicity(), Atomicity::OneTransaction);
//! sqlite.close().await;
//! # drop(vault);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! ```text
//!            Store   JobQueue   CommitAndEnqueue   SecretVault
//!              └────────┴──────────────┴───────────────┘
//!   domain  ◄──────────── rows: plain structs ─────────────►  SQL of one back end
//!             shared: rows, cursors,            sqlite: statements, connections,
//!             fairness, migrations' format      one writer, its migrations
//!                                               postgres: functions and policies in
//!                                               migrations, groups, LISTEN and NOTIFY
//! ```
//!
//! # Features
//!
//! | Feature | Brings | Default |
//! | --- | --- | --- |
//! | `postgres` | module `postgres`: [`PostgresBackend`] and [`PostgresVault`], with TLS | no |
//! | `sqlite` | module `sqlite`: [`SqliteBackend`] and [`SqliteVault`]; SQLite itself is built in | no |
//! | `sea-orm` | module `sea_orm`, for an application that has a SeaORM 2 connection; goes with `postgres`, `sqlite` or both | no |
//!
//! # Where to go next
//!
//! The module `sqlite` tells how writes share transactions and what happens when the disk is full;
//! `SqliteBackend::builder` lists the settings. The module `postgres` tells what a database and its roles need;
//! `PostgresBackend::builder` lists the settings. The module `sea_orm` tells what is shared with a SeaORM application.
#![cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the items are behind the feature"
    )
)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod change;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod cursor;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod fair;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod fault;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod job_id;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod migration;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod page;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
#[cfg(all(feature = "sea-orm", any(feature = "postgres", feature = "sqlite")))]
pub mod sea_orm;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sealed;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod settings;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod signal;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresBackend, PostgresVault};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use self::settings::QueueSettings;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteBackend, SqliteVault};
