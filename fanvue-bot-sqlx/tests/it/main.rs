//! The back ends through their public API: SQLite on real files, Postgres on a real server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod corrupt;
mod erased;
mod forgotten;
mod given;
mod group;
mod kill;
mod logging;
mod opening;
mod postgres;
mod queue;
mod rotation;
#[cfg(feature = "sea-orm")]
mod sea_orm;
mod small;
mod space;
mod store;
mod swaps;
mod vault;
