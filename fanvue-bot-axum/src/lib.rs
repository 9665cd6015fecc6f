//! The web edge of fanvue-bot: the door that Fanvue's webhooks come in by, the routes that connect a
//! creator's account, routes for hosts that run only as long as a request lasts, health probes, and a server
//! that slow and greedy clients cannot hold.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use fanvue_bot_axum::{Health, Limits, Webhooks, serve};
//! use fanvue_bot_core::backend::Backend;
//! use fanvue_bot_core::intake::Intake;
//! use fanvue_bot_core::memory::MemoryBackend;
//! use fanvue_bot_core::secret::Secret;
//! use fanvue_bot_core::webhook::Verifier;
//!
//! # async fn run(app_secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let backend = Backend::shared(Arc::new(MemoryBackend::new()));
//! let health = Health::new(Arc::clone(backend.store()));
//! let verifier = Verifier::new(&Secret::new(app_secret))?;
//! let webhooks = Webhooks::builder(verifier, Intake::new(backend)).build();
//!
//! let router = webhooks.router().merge(health.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let shutdown = async {
//!     // wait for SIGTERM here
//!     health.start_draining();
//! };
//! serve(listener, router, Limits::default(), shutdown).await;
//! println!("stored {} events", webhooks.counters().stored);
//! # Ok(())
//! # }
//! ```
//!
//! # How an event comes in
//!
//! ```text
//!  POST ──► raw body ──► proved by the app's secret, ──► parsed ──► for the URL's ──► Intake ──► 200
//!           (size,       or a creator's own for              │        creator?       (commit)
//!            time)       that creator                        │           │              │
//!             │              │                          unreadable,      │              │
//!             ▼              ▼                          foreign: 200     ▼              ▼
//!        413, 408, 400      401 ◄───────── same answer ──────────────── 401      503, Retry-After
//! ```
//!
//! The parts stand alone: the routers are plain [`axum::Router`]s for any server, and [`serve`] takes any
//! router. TLS is the reverse proxy's.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! | --- | --- | --- |
//! | (none) | | The crate has no optional parts. |
//!
//! # Where to go next
//!
//! [`Webhooks`], [`OAuth`], [`Internal`] and [`Connections`] list their routes and what each answer means; [`Limits`] every limit of the
//! server and its default; [`WebhookCounters`] what to watch.

mod health;
mod internal;
mod oauth;
mod serve;
mod webhook;

pub use crate::health::Health;
pub use crate::internal::{BearerSecret, Connections, Internal, InternalBuilder, WeakBearerSecret};
pub use crate::oauth::{AdminCheck, OAuth};
pub use crate::serve::{Drained, Limits, serve};
pub use crate::webhook::{WebhookCounters, Webhooks, WebhooksBuilder};
