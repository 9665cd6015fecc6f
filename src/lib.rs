//! Answers a creator's fans on Fanvue: the webhook comes in, a language model writes, a checked reply goes
//! out.
//!
//! This crate has no logic of its own. It gives the crates of the workspace one name and one set of
//! features: core's modules at the root, and each adapter as a module behind the feature of its name.
//!
//! ```no_run
//! # #[cfg(feature = "full")]
//! # mod example {
//! use std::sync::Arc;
//!
//! use fanvue_bot::axum::{Limits, Webhooks, serve};
//! use fanvue_bot::backend::Backend;
//! use fanvue_bot::client::{AppCredentials, ClientSecret};
//! use fanvue_bot::engine::Engine;
//! use fanvue_bot::oauth::TokenSource;
//! use fanvue_bot::openai::{OpenAi, Profile};
//! use fanvue_bot::queue::WorkerId;
//! use fanvue_bot::rest::RestClient;
//! use fanvue_bot::secret::{Keyring, MasterKey, Secret};
//! use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
//! use fanvue_bot::webhook::Verifier;
//! use fanvue_bot::worker::{Worker, WorkerOptions};
//!
//! # pub async fn run(master_key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // Ports: where state lives, who writes, and how Fanvue is reached. Each can be another, or your own.
//! let sqlite = SqliteBackend::open("bot.db").await?;
//! let keyring = Keyring::new(MasterKey::from_text(master_key)?);
//! let vault = Arc::new(SqliteVault::new(sqlite.clone(), keyring));
//! let backend = Backend::shared(Arc::new(sqlite));
//! let fanvue = Arc::new(RestClient::builder().build()?);
//! let model = OpenAi::builder("http://127.0.0.1:11434/v1", "llama3.2").profile(Profile::ollama());
//!
//! let app = AppCredentials {
//!     client_id: "your-client-id".into(),
//!     client_secret: ClientSecret::new("your-client-secret"),
//! };
//! let tokens = TokenSource::new(vault, backend.store().clone(), fanvue.clone(), app);
//! let engine = Engine::builder(backend, Arc::new(model.build()?), fanvue, tokens).build();
//!
//! // In: proved events, stored before they are acknowledged.
//! let verifier = Verifier::new(&Secret::new("your-webhook-signing-secret"))?;
//! let routes = Webhooks::builder(verifier, engine.intake().clone()).build().router();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! tokio::spawn(serve(listener, routes, Limits::default(), std::future::pending()));
//!
//! // Out: turns, one at a time for each conversation.
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! let report = Worker::new(engine, WorkerOptions::new(WorkerId::new("worker-1"))).run(stop).await;
//! println!("{} turns done", report.done);
//! # Ok(())
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! ```text
//!   webhook ──► webhook::Verifier ──► intake ──► store + queue      one commit, then 200
//!                                                     │
//!    fanvue ◄── client ◄── engine ◄── worker ◄────────┘             one lane, one worker
//!                            │ │
//!                llm ◄───────┘ └──► flow::step                      what to do next, as a pure function
//! ```
//!
//! # Modules
//!
//! - **Put a bot together**: [`backend`], [`engine`], [`intake`], `worker`, [`oauth`], [`webhook`].
//! - **Ports**, to be implemented by adapters, yours or these: [`store`], [`queue`], [`llm`], [`client`],
//!   [`secret`].
//! - **The product itself**: [`flow`], [`prompt`], [`conversation`], [`decision`], [`creator`],
//!   [`persona`], [`message`].
//! - **Vocabulary**: [`id`], [`money`], [`time`], [`entropy`], [`retry`], [`revision`], [`page`],
//!   [`rate`].
//! - **In-memory adapters**, always there: [`memory`].
//!
//! # Features
//!
//! None is on by default. A feature adds API and changes no behavior.
//!
//! | Feature | Opens | Is the crate | For |
//! | --- | --- | --- | --- |
//! | `rest` | `fanvue_bot::rest` | `fanvue-bot-rest` | Fanvue's REST API and OAuth endpoints: a [`FanvueClient`](client::FanvueClient) |
//! | `openai` | `fanvue_bot::openai` | `fanvue-bot-openai` | OpenAI-compatible endpoints: an [`LlmProvider`](llm::LlmProvider) |
//! | `axum` | `fanvue_bot::axum` | `fanvue-bot-axum` | webhook and health routes, and a hardened server |
//! | `postgres` | `fanvue_bot::sqlx` | `fanvue-bot-sqlx` | one Postgres database for any number of hosts: [`Store`](store::Store), [`JobQueue`](queue::JobQueue) and [`SecretVault`](secret::SecretVault), tenants sealed by row level security |
//! | `sqlite` | `fanvue_bot::sqlx` | `fanvue-bot-sqlx` | one SQLite file: [`Store`](store::Store), [`JobQueue`](queue::JobQueue) and [`SecretVault`](secret::SecretVault) |
//! | `sea-orm` | `fanvue_bot::sqlx::sea_orm` | `fanvue-bot-sqlx` | shares the pool or file of a SeaORM 2 application, with entities; goes with `postgres`, `sqlite` or both |
//! | `worker` | `fanvue_bot::worker` | `fanvue-bot-core` | the loop that claims, renews and drains; brings tokio |
//! | `full` | all of these | | |
//!
//! # Where to go next
//!
//! - `examples/quickstart.rs` in the repository: a bot on in-memory adapters, to copy from.
//! - `examples/own_adapter.rs`: a language model and a store of one's own.
//! - `examples/sea_orm_app.rs`: a SeaORM application that has a bot.
//! - `fanvue-bot-testkit`: conformance suites, fakes, faults and a simulator of Fanvue, for your tests.
//! - ARCHITECTURE.md in the repository: how the parts hang together, and what always holds.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use fanvue_bot_core::*;

#[cfg(feature = "axum")]
pub use fanvue_bot_axum as axum;
#[cfg(feature = "openai")]
pub use fanvue_bot_openai as openai;
#[cfg(feature = "rest")]
pub use fanvue_bot_rest as rest;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use fanvue_bot_sqlx as sqlx;

/// Compiles the examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the examples of the guides.
#[cfg(doctest)]
#[doc = include_str!("../docs/guides/connect-a-creator.md")]
struct ConnectACreator;

/// Runs the examples of the guides.
#[cfg(doctest)]
#[doc = include_str!("../docs/guides/run-as-an-agency.md")]
struct RunAsAnAgency;

/// Runs the examples of the guides.
#[cfg(doctest)]
#[doc = include_str!("../docs/guides/broadcast.md")]
struct SendAMessageToMany;
