//! The SQLite back end through its public API, on real files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod corrupt;
mod erased;
mod given;
mod group;
mod kill;
mod logging;
mod opening;
mod queue;
mod space;
mod store;
mod vault;
