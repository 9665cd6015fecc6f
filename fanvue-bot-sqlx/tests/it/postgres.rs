//! The Postgres back end through its public API, on a real server.

use fanvue_bot_sqlx::PostgresBackend;

mod conformance;
mod opening;
mod queue;
mod sealed;
pub(crate) mod server;
