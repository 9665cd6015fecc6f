//! Webhooks that are subscribed through the API.

use std::fmt;

use crate::secret::Secret;

/// Names one subscription: whatever Fanvue calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(Box<str>);

impl SubscriptionId {
    /// The subscription of this id.
    #[must_use]
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self(id.into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subscription as Fanvue lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct WebhookSubscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Where its events are posted to.
    pub url: String,
    /// Which events, by their names.
    pub events: Vec<String>,
}

/// A subscription that was just made. Fanvue shows its secret this once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct SubscribedWebhook {
    /// Its id.
    pub id: SubscriptionId,
    /// What its events are signed with.
    pub secret: Secret,
}
