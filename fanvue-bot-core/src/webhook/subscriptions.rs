//! Webhooks that are subscribed through Fanvue's API, for those whom it lets.

use std::fmt;
use std::sync::Arc;

use super::secrets::{LiveSecrets, WebhookSecretError, WebhookSecrets};
use crate::client::{ClientError, FanvueClient, SubscriptionId, WebhookSubscription};
use crate::oauth::{GrantId, TokenError, TokenSource};
use crate::secret::{Secret, SecretVault, VaultError};

/// Subscribes a deployment's webhook address through the API, one subscription for each grant.
///
/// Each subscription has a secret of its own, which goes into the vault under the grant's owner. Subscribing
/// again is how it is rotated: a new subscription is made, its secret becomes the current one, the one before
/// stays accepted for what is under way, and the older subscriptions to the same address are ended.
///
/// Fanvue refuses this to some apps. Then the webhook is registered in the developer portal, once for the app:
/// [`SubscribeError::remedy`] says how.
///
/// Source: Fanvue API reference, section 10.2.
#[derive(Clone)]
pub struct Subscriptions {
    tokens: TokenSource,
    client: Arc<dyn FanvueClient>,
    secrets: WebhookSecrets,
    url: Arc<str>,
}

/// The events that the bot uses, and the scopes of which one has to be granted for each.
///
/// Source: Fanvue API reference, section 10.7.
const EVENTS: [(&str, &[&str]); 13] = [
    ("creator.message.received", &["read:chat"]),
    ("creator.message.sent", &["read:chat"]),
    ("creator.message.deleted", &["read:chat"]),
    ("creator.message.read", &["read:chat"]),
    ("creator.message.reaction", &["read:chat"]),
    ("creator.fan.status_changed", &["read:fan"]),
    ("creator.follow.created", &["read:creator", "read:fan"]),
    (
        "creator.subscription.activated",
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.renewed",
        &["read:creator", "read:fan"],
    ),
    (
        "creator.subscription.deactivated",
        &["read:creator", "read:fan"],
    ),
    (
        "creator.payment.succeeded",
        &["read:creator", "read:insights"],
    ),
    ("creator.refund.created", &["read:creator", "read:insights"]),
    (
        "creator.dispute.created",
        &["read:creator", "read:insights"],
    ),
];

/// A subscription that was just made.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribed {
    /// Its id at Fanvue.
    pub id: SubscriptionId,
    /// Its secret, already stored. This is the only time that it is shown.
    pub secret: Secret,
    /// What the secrets that count now are recognized by.
    pub live: LiveSecrets,
    /// How many older subscriptions to the same address were ended.
    pub ended: usize,
}

/// Why a webhook was not subscribed. Each has a [`remedy`](Self::remedy) in words for an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Fanvue does not offer it to this app, or refuses the address or an event.
    #[error("fanvue refuses the webhook subscription: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// No event is covered by what was granted.
    #[error("no webhook event is covered by the granted scopes")]
    NoScope,
    /// There is no access token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Another call to Fanvue failed.
    #[error("fanvue could not be asked")]
    Client {
        /// What it said.
        source: ClientError,
    },
    /// The secret that came cannot be one.
    #[error("fanvue gave no signing secret that can be used")]
    UnusableSecret,
    /// The secret could not be stored. The subscription at Fanvue is of no use; the next one ends it.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<ClientError> for SubscribeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Rejected { message } => Self::Refused { message },
            // As for an app that has no such path.
            ClientError::NotFound => Self::Refused {
                message: "it knows no such call".to_owned(),
            },
            source => Self::Client { source },
        }
    }
}

impl From<WebhookSecretError> for SubscribeError {
    fn from(error: WebhookSecretError) -> Self {
        match error {
            WebhookSecretError::Invalid(_) => Self::UnusableSecret,
            WebhookSecretError::Vault(error) => Self::Vault(error),
        }
    }
}

impl SubscribeError {
    /// What an operator does about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::UnusableSecret => {
                "Register the webhook in the developer portal instead: open the app at \
                 fanvue.com/developers/apps, Events tab, add the deployment's webhook address, choose the \
                 events, tick to enable them, and save. Copy \"View Signing Secret\" into the \
                 deployment's webhook secret. Creators who were connected before connect again."
            }
            Self::NoScope => {
                "Tick read:chat, read:fan and read:creator in the app's Authentication tab at \
                 fanvue.com/developers/apps, and connect the account again."
            }
            Self::Token(_) => "Connect the account, then subscribe again.",
            Self::Client { .. } => "Try again in a minute; if it stays, look at the health page.",
            Self::Vault(_) => {
                "This deployment could not store the secret. Look at its logs, then subscribe again."
            }
        }
    }
}

impl Subscriptions {
    /// Subscribes `url`, the deployment's public address of `POST /webhooks/fanvue`.
    #[must_use]
    pub fn new(
        tokens: TokenSource,
        client: Arc<dyn FanvueClient>,
        vault: Arc<dyn SecretVault>,
        url: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            tokens,
            client,
            secrets: WebhookSecrets::new(vault),
            url: url.into(),
        }
    }

    /// Makes a subscription for the grant's account, or rotates the one that there is. An agency's is for all
    /// creators that it manages.
    ///
    /// # Errors
    /// As [`SubscribeError`] says, each with its remedy. What was subscribed before goes on then.
    pub async fn subscribe(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<Subscribed, SubscribeError> {
        let grant = grant.into();
        let granted = self.tokens.status(grant).await?.scopes;
        let covered = |scopes: &[&str]| {
            granted.is_empty()
                || scopes
                    .iter()
                    .any(|scope| granted.iter().any(|held| held == scope))
        };
        let events: Vec<String> = EVENTS
            .iter()
            .filter(|(_, scopes)| covered(scopes))
            .map(|(event, _)| (*event).to_owned())
            .collect();
        if events.is_empty() {
            return Err(SubscribeError::NoScope);
        }
        let auth = self.tokens.account(grant).await?;
        let made = match self
            .client
            .subscribe_webhook(&auth, &self.url, &events)
            .await
        {
            Err(ClientError::Unauthorized) => {
                let auth = self.tokens.renew_account(grant, &auth).await?;
                self.client
                    .subscribe_webhook(&auth, &self.url, &events)
                    .await
            }
            made => made,
        }?;
        let live = self.secrets.rotate(grant.owner(), &made.secret).await?;
        tracing::info!(grant.id = %grant, events = events.len(), "webhook subscribed");
        let ended = match self.end(grant, Some(&made.id)).await {
            Ok(ended) => ended,
            // They deliver the same events once more, which intake does not mind.
            Err(error) => {
                tracing::warn!(grant.id = %grant, %error, "older webhook subscriptions could not be ended");
                0
            }
        };
        Ok(Subscribed {
            id: made.id,
            secret: made.secret,
            live,
            ended,
        })
    }

    /// The subscriptions of the grant's account that lead to this deployment.
    ///
    /// # Errors
    /// As [`SubscribeError`] says.
    pub async fn list(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<Vec<WebhookSubscription>, SubscribeError> {
        let grant = grant.into();
        let auth = self.tokens.account(grant).await?;
        let all = match self.client.webhook_subscriptions(&auth).await {
            Err(ClientError::Unauthorized) => {
                let auth = self.tokens.renew_account(grant, &auth).await?;
                self.client.webhook_subscriptions(&auth).await
            }
            all => all,
        }?;
        Ok(all
            .into_iter()
            .filter(|subscription| subscription.url == *self.url)
            .collect())
    }

    /// Ends the subscriptions of the grant's account that lead to this deployment, and erases their secrets.
    /// Answers how many there were. Idempotent.
    ///
    /// # Errors
    /// As [`SubscribeError`] says; the secrets are then still there.
    pub async fn unsubscribe(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<usize, SubscribeError> {
        let grant = grant.into();
        let ended = self.end(grant, None).await?;
        self.secrets.remove(grant.owner()).await?;
        Ok(ended)
    }

    /// Ends all subscriptions to this address but `kept`.
    async fn end(
        &self,
        grant: GrantId,
        kept: Option<&SubscriptionId>,
    ) -> Result<usize, SubscribeError> {
        let mut ended = 0;
        let listed = self.list(grant).await?;
        let auth = self.tokens.account(grant).await?;
        for subscription in listed.iter().filter(|one| kept != Some(&one.id)) {
            let id = &subscription.id;
            self.client.unsubscribe_webhook(&auth, id).await?;
            ended += 1;
        }
        Ok(ended)
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
