//! Store, job queue and secret vault on SQL databases, for fanvue-bot.

#[cfg(feature = "sqlite")]
mod change;
#[cfg(feature = "sqlite")]
mod cursor;
#[cfg(feature = "sqlite")]
mod fair;
#[cfg(feature = "sqlite")]
mod migration;
#[cfg(feature = "sqlite")]
mod row;
#[cfg(feature = "sqlite")]
mod settings;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "sqlite")]
pub use self::settings::QueueSettings;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteBackend;
