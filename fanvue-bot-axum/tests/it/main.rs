//! The server and the routers over real sockets.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod broadcasts;
mod checkup;
mod client;
mod connections;
mod door;
mod garbage;
mod health;
mod internal;
mod rights;
mod self_test;
mod serve;
mod town;
