//! The adapter against recorded exchanges and against servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod exchange;
mod learning;
mod servers;
mod transport;
