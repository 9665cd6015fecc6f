//! Domain types, ports and the pure message flow of fanvue-bot.

pub mod backend;
pub mod client;
pub mod conversation;
pub mod creator;
pub mod decision;
pub mod entropy;
pub mod id;
pub mod llm;
pub mod memory;
pub mod message;
pub mod money;
pub mod page;
pub mod persona;
pub mod queue;
pub mod rate;
pub mod retry;
pub mod revision;
pub mod secret;
pub mod store;
pub mod time;
pub mod webhook;
