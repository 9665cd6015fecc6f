//! The web edge of fanvue-bot.

mod health;
mod serve;
mod webhook;

pub use crate::health::Health;
pub use crate::serve::{Drained, Limits, serve};
pub use crate::webhook::{WebhookCounters, Webhooks, WebhooksBuilder};
