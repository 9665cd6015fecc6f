//! Driving the simulated platform from the process that serves it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::jwt;
use super::shared::{ConsentMode, RequestRecord, Shared};
use crate::simulator::world::{
    ApiError, App, DeliveryRecord, FanMessage, Fixture, IssuedTokens, Message, Moment, NewMessage,
    PortalWebhook, RequestRule, SecretText, SentAnswer, WebhookRule, World,
};

/// Tokens as the token endpoint would have answered them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The signed access token.
    pub access_token: SecretText,
    /// The refresh token, if `offline_access` or `offline` is among the scopes.
    pub refresh_token: Option<SecretText>,
    /// How long the access token is good, in seconds.
    pub expires_in: u64,
    /// The scopes, separated by spaces.
    pub scope: String,
}

/// A stored message with its chat.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredMessage {
    /// The creator of the chat.
    pub creator: Uuid,
    /// The fan of the chat.
    pub fan: Uuid,
    /// The message.
    pub message: Message,
}

/// A way to drive a running simulator. Cheap to clone; usable from any thread and any runtime.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// Where it listens, as `http://127.0.0.1:4010`: the base URL of the API and of the
    /// authorization server alike.
    pub fn base_url(&self) -> &str {
        &self.shared.settings.base_url
    }

    /// Works on the world itself, at the simulator's own time. Webhooks that follow from it are
    /// posted as soon as the closure returns. The world is locked meanwhile, so be quick.
    pub fn with_world<R>(&self, work: impl FnOnce(&mut World, Moment) -> R) -> R {
        self.shared
            .change(|platform, now| work(&mut platform.world, now))
    }

    /// The simulator's time: the wall clock, moved forward by [`advance`](Self::advance).
    pub fn now(&self) -> Moment {
        self.shared.now()
    }

    /// Moves the simulator's clock forward: tokens age, buckets fill, retries come due.
    pub fn advance(&self, by: Duration) {
        self.shared
            .advance(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    }

    /// Adds the people of [`Fixture`] and signs `luna` in.
    ///
    /// # Errors
    ///
    /// None in a new world.
    pub fn populate(&self) -> Result<Fixture, ApiError> {
        self.shared.change(|platform, now| {
            let fixture = platform.world.populate(now)?;
            platform.signed_in.get_or_insert(fixture.luna);
            Ok(fixture)
        })
    }

    /// Opens a creator's account. The first one is signed in.
    pub fn add_creator(&self, handle: &str, display_name: &str) -> Uuid {
        self.shared.change(|platform, now| {
            let uuid = platform.world.add_creator(handle, display_name, now);
            platform.signed_in.get_or_insert(uuid);
            uuid
        })
    }

    /// Opens a fan's account.
    pub fn add_fan(&self, handle: &str, display_name: &str) -> Uuid {
        self.with_world(|world, now| world.add_fan(handle, display_name, now))
    }

    /// Registers an app, or replaces the one with its client id.
    pub fn add_app(&self, app: App) {
        self.with_world(|world, _| world.add_app(app));
    }

    /// Sets, or removes, the webhook of an app's Events tab.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown app.
    pub fn set_webhook(
        &self,
        client_id: &str,
        webhook: Option<PortalWebhook>,
    ) -> Result<(), ApiError> {
        self.with_world(|world, _| {
            let app = world
                .app_mut(client_id)
                .ok_or_else(|| ApiError::not_found("App"))?;
            app.webhook = webhook;
            Ok(())
        })
    }

    /// Takes the short way to tokens: no browser, no code. The app is authorized by it.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown app or user.
    pub fn issue_tokens<S: AsRef<str>>(
        &self,
        client_id: &str,
        user: Uuid,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Tokens, ApiError> {
        let scopes: Vec<S> = scopes.into_iter().collect();
        self.shared.change(|platform, now| {
            let issued = platform.world.issue_tokens(client_id, user, &scopes, now)?;
            tokens(&self.shared.settings.issuer, issued, now)
        })
    }

    /// The creator disconnects the app: its tokens end, its webhooks stop.
    pub fn disconnect(&self, client_id: &str, user: Uuid) {
        self.with_world(|world, now| world.disconnect(client_id, user, now));
    }

    /// What happens when a browser comes to authorize an app, and who is signed in there.
    pub fn set_consent(&self, mode: ConsentMode, user: Option<Uuid>) {
        self.shared.change(|platform, _| {
            platform.consent = mode;
            platform.signed_in = user.or(platform.signed_in);
        });
    }

    /// From now on calls with one of these API versions are answered with 410, and with others as before.
    pub fn set_sunset_versions<S: Into<String>>(&self, versions: impl IntoIterator<Item = S>) {
        let versions = versions.into_iter().map(Into::into).collect();
        self.shared
            .change(|platform, _| platform.sunset_versions = versions);
    }

    /// The fan writes to the creator.
    ///
    /// # Errors
    ///
    /// As for [`World::fan_writes`].
    pub fn fan_writes(
        &self,
        creator: Uuid,
        fan: Uuid,
        message: impl Into<FanMessage>,
    ) -> Result<Uuid, ApiError> {
        self.with_world(|world, now| world.fan_writes(creator, fan, message, now))
    }

    /// The fan tips the creator.
    ///
    /// # Errors
    ///
    /// As for [`World::fan_tips`].
    pub fn fan_tips(
        &self,
        creator: Uuid,
        fan: Uuid,
        cents: u64,
        text: Option<&str>,
    ) -> Result<Uuid, ApiError> {
        self.with_world(|world, now| world.fan_tips(creator, fan, cents, text, now))
    }

    /// The creator or a team member writes by hand.
    ///
    /// # Errors
    ///
    /// As for [`World::human_writes`].
    pub fn human_writes(
        &self,
        creator: Uuid,
        fan: Uuid,
        message: impl Into<NewMessage>,
        typed_by: Option<Uuid>,
    ) -> Result<Uuid, ApiError> {
        self.with_world(|world, now| world.human_writes(creator, fan, message, typed_by, now))
    }

    /// Arms a request fault.
    pub fn add_request_fault(&self, rule: RequestRule) {
        self.with_world(|world, _| world.add_request_fault(rule));
    }

    /// Arms a webhook fault.
    pub fn add_webhook_fault(&self, rule: WebhookRule) {
        self.with_world(|world, _| world.add_webhook_fault(rule));
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        self.with_world(|world, _| world.clear_faults());
    }

    /// The listed messages of a chat, oldest first; none without a chat.
    pub fn transcript(&self, creator: Uuid, fan: Uuid) -> Vec<Message> {
        self.shared.look(|platform, _| {
            let chat = platform.world.chat(creator, fan);
            chat.map(|chat| chat.visible().cloned().collect())
                .unwrap_or_default()
        })
    }

    /// Every stored message, deleted ones included.
    pub fn messages(&self) -> Vec<StoredMessage> {
        self.shared.look(|platform, _| {
            let messages = platform.world.messages();
            messages
                .map(|(creator, fan, m)| StoredMessage {
                    creator,
                    fan,
                    message: m.clone(),
                })
                .collect()
        })
    }

    /// API sends counted by chat, inbound message and text. See [`World::sent_answers`].
    pub fn sent_answers(&self) -> Vec<SentAnswer> {
        self.shared
            .look(|platform, _| platform.world.sent_answers())
    }

    /// The chats whose newest message from a person is the fan's: creator, fan, message.
    pub fn unanswered(&self) -> Vec<(Uuid, Uuid, Uuid)> {
        self.shared.look(|platform, _| platform.world.unanswered())
    }

    /// The history of every webhook delivery, oldest first.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.shared
            .look(|platform, _| platform.world.deliveries().to_vec())
    }

    /// Every request to the API and the authorization server, oldest first. Requests to `/_sim`
    /// are not among them.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.look(|platform, _| platform.requests.clone())
    }

    /// Waits until the world is as it should be; false if it is not within `limit`. The condition
    /// is looked at after each change.
    pub async fn wait_until(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&World) -> bool,
    ) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let fulfilled = async {
            loop {
                changed.mark_unchanged();
                if self.shared.look(|platform, _| condition(&platform.world)) {
                    return true;
                }
                if changed.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(limit, fulfilled)
            .await
            .unwrap_or(false)
    }
}

/// Wraps what the world issued into a signed token.
pub(super) fn tokens(issuer: &str, issued: IssuedTokens, now: Moment) -> Result<Tokens, ApiError> {
    let access_token = jwt::signer()
        .and_then(|signer| signer.access_token(issuer, &issued, now))
        .ok_or_else(|| ApiError::Refused("this system cannot make an RSA key".to_owned()))?;
    let scopes: Vec<&str> = issued.scopes.iter().map(String::as_str).collect();
    Ok(Tokens {
        access_token: SecretText::new(access_token),
        scope: scopes.join(" "),
        refresh_token: issued.refresh,
        expires_in: issued.expires_in,
    })
}
