//! Conformance suites, fakes and a Fanvue simulator, for fanvue-bot and other Fanvue integrations.

#[cfg(feature = "simulator-world")]
pub mod simulator;
