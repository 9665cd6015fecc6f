//! The domain of fanvue-bot: types, the ports, the pure message flow, and the engine that carries it out.
//!
//! A fan's message comes in as a webhook, is proved, and is stored together with the wake-up that follows
//! from it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use fanvue_bot_core::backend::Backend;
//! use fanvue_bot_core::creator::Creator;
//! use fanvue_bot_core::id::{AccountId, CreatorId};
//! use fanvue_bot_core::intake::{Accepted, Intake};
//! use fanvue_bot_core::memory::MemoryBackend;
//! use fanvue_bot_core::persona::Persona;
//! use fanvue_bot_core::secret::Secret;
//! use fanvue_bot_core::time::{Clock, SystemClock};
//! use fanvue_bot_core::webhook::{Hints, Signer, Verifier};
//!
//! // Store and queue in one; here in memory.
//! let backend = Backend::shared(Arc::new(MemoryBackend::new()));
//!
//! // A tenant: one creator, connected to a Fanvue account.
//! let creator: CreatorId = "01990000-0000-7000-8000-000000000001".parse()?;
//! let account: AccountId = "c0de0000-0000-4000-8000-000000000001".parse()?;
//! let mia = Creator::new(creator, Persona::named("Mia")).account(account);
//! backend.store().commit(&mia.into(), None).await?;
//!
//! // What Fanvue sends, and the signature that it sends along.
//! let secret = Secret::new("demo-signing-secret");
//! let body = br#"{"recipientUuid":"c0de0000-0000-4000-8000-000000000001",
//!     "sender":{"uuid":"fa000000-0000-4000-8000-000000000001"},
//!     "messageUuid":"3e550000-0000-4000-8000-000000000009",
//!     "message":{"text":"hey, how was your day?"}}"#;
//! let now = SystemClock.now();
//! let signature = Signer::new(&secret)?.header(now, body);
//!
//! // Only proved bytes can be parsed, and only a parsed event can be taken in.
//! let event = Verifier::new(&secret)?
//!     .verify(signature.as_bytes(), body, now)?
//!     .parse(&Hints::default())?;
//! let intake = Intake::new(backend.clone());
//! let Accepted::Stored(conversation) = intake.accept(&event).await? else { panic!() };
//! assert_eq!(intake.accept(&event).await?, Accepted::Duplicate(conversation));
//!
//! // The fan is owed an answer, and a worker will be woken when the burst is over.
//! let state = backend.store().conversation(conversation).await?.ok_or("stored")?.value;
//! assert_eq!(state.pending.len(), 1);
//! assert!(state.wake_at() > Some(now));
//! # Ok(())
//! # }
//! ```
//!
//! From there on an [`engine::Engine`] brings the conversation to rest: it asks [`flow::step`] what to do,
//! commits, does it, and asks again. With feature `worker`, `worker::Worker` runs engines over the queue.
//!
//! ```text
//!  webhook ──► intake ─────────────┐                    ┌───────────── worker (feature)
//!  proof, parsing                  ▼                    ▼
//!                         ┌──────────────────────────────────┐
//!                         │ engine: load, step, commit, do   │──► oauth ──► secret, client
//!                         └──┬───────┬───────────┬────────┬──┘
//!                            ▼       ▼           ▼        ▼
//!   pure                   flow    prompt     decision  conversation      no I/O, no clock
//!                            │       │
//!   ports                  store · queue · inbox · llm · client · secret   traits, implemented outside
//!                            │
//!   vocabulary             id · money · time · entropy · retry · revision · page · message · creator
//!                          persona · settings · rate · redact
//!   adapters               memory
//! ```
//!
//! Core opens no socket, file or database, spawns nothing and never sleeps; it asks the system for time
//! and randomness in [`time::SystemClock`] and [`entropy::OsEntropy`] only. The one exception to the
//! sleeping is `worker`, behind its feature.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! | --- | --- | --- |
//! | `worker` | no | module `worker`: the loop that claims, renews leases and drains; brings tokio |
//!
//! # Where to go next
//!
//! - Put a bot together: [`backend::Backend`], [`engine::Engine::builder`], [`oauth::TokenSource`].
//! - Write an adapter: the contract is on the port's trait ([`store::Store`], [`queue::JobQueue`],
//!   [`inbox::Inbox`], [`llm::LlmProvider`], [`client::FanvueClient`], [`secret::SecretVault`]), the shortest
//!   implementation in [`memory`], and the tests in `fanvue-bot-testkit`.
//! - Understand a reply, or a silence: [`flow`], [`conversation::Phase`], [`decision::Outcome`]; list and count them:
//!   [`admin::AdminQueries`].

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod admin;
pub mod backend;
mod batch;
pub mod broadcast;
pub mod catch_up;
pub mod ceiling;
pub mod client;
pub mod conversation;
pub mod creator;
pub mod decision;
pub mod draft;
pub mod engine;
pub mod entropy;
pub mod export;
pub mod fan;
mod fields;
mod flight;
pub mod flow;
pub mod health;
pub mod id;
pub mod inbox;
pub mod intake;
pub mod ledger;
pub mod llm;
pub mod memory;
pub mod message;
pub mod money;
pub mod oauth;
pub mod page;
pub mod persona;
pub mod policy;
pub mod prompt;
pub mod pulse;
pub mod queue;
pub mod rate;
pub mod redact;
pub mod retry;
pub mod revision;
pub mod secret;
pub mod self_test;
pub mod settings;
pub mod store;
mod text;
pub mod tick;
pub mod time;
pub mod webhook;
#[cfg(feature = "worker")]
pub mod worker;
