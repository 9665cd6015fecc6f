//! Conformance suites, fakes and a Fanvue simulator, for fanvue-bot and other Fanvue integrations.

pub mod clock;
mod decorator;
pub mod entropy;
pub mod fault;
pub mod llm;
#[cfg(feature = "simulator-world")]
pub mod simulator;
