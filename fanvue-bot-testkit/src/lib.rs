//! Conformance suites, fakes and a Fanvue simulator, for fanvue-bot and other Fanvue integrations.

#[cfg(feature = "simulator-world")]
pub mod chat;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "simulated-day")]
pub mod day;
mod decorator;
pub mod entropy;
pub mod fault;
pub mod llm;
#[cfg(feature = "mock")]
pub mod mock;
#[cfg(feature = "simulator-world")]
pub mod simulator;
#[cfg(feature = "simulator-world")]
pub mod world_client;
