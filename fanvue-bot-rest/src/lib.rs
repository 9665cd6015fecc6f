//! FanvueClient over Fanvue's REST API and OAuth endpoints, for fanvue-bot.

mod base_url;
mod budget;
mod builder;
mod classify;
mod client;
mod cursor;
mod error_text;
mod family;
mod fault;
mod headers;
mod oauth;
mod transport;
mod wire;

pub use crate::builder::{ConfigError, ConfigProblem, RestClientBuilder};
pub use crate::client::RestClient;
pub use crate::family::PathFamily;
