//! Tests of the client through its public API.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that called them"
)]

mod config;
mod courier;
mod exchanges;
mod faults;
mod limits;
mod oauth;
mod secrecy;
mod simulator;
mod support;
