//! The Postgres back end through its public API, on a real server.

use fanvue_bot_sqlx::PostgresBackend;

mod conformance;
mod cut_off;
mod explained;
mod line;
mod opening;
mod plans;
mod queue;
mod sealed;
pub(crate) mod server;
mod space;
mod supabase;
