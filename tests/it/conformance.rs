//! Every adapter through the suites of its ports: one file per adapter.

mod memory;
mod postgres;
mod sqlite;
