//! Domain types, ports and the pure message flow of fanvue-bot.

pub mod client;
pub mod decision;
pub mod entropy;
pub mod id;
pub mod llm;
pub mod message;
pub mod money;
pub mod page;
pub mod retry;
pub mod revision;
pub mod secret;
pub mod time;
pub mod webhook;
