//! Apps, the grants that creators gave them, and where their webhooks go.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::event::{self, EventKind, WebhookFamily};
use super::secret::SecretText;
use super::time::Moment;

/// Every scope that Fanvue knows.
pub const SCOPES: &[&str] = &[
    "openid",
    "offline_access",
    "offline",
    "read:self",
    "read:chat",
    "write:chat",
    "read:fan",
    "read:creator",
    "write:creator",
    "read:media",
    "write:media",
    "read:post",
    "write:post",
    "read:insights",
    "read:tracking_links",
    "write:tracking_links",
    "read:agency",
    "write:agency",
];

/// An app as registered in the developer portal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its client id.
    pub client_id: String,
    /// Its client secret.
    pub client_secret: SecretText,
    /// Where the browser may be sent back to, compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// The scopes ticked in the portal; all by default.
    pub scopes: BTreeSet<String>,
    /// The webhook of the portal's Events tab.
    pub webhook: Option<PortalWebhook>,
    /// The signing secret of that webhook, one for the app.
    pub webhook_secret: SecretText,
    /// Whether `POST /webhooks/subscriptions` answers 400 with an empty `error`, as two public
    /// clients saw it do for private apps.
    pub refuses_subscriptions: bool,
}

impl App {
    /// An app with all scopes ticked and no webhook.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<SecretText>) -> Self {
        let client_id = client_id.into();
        Self {
            webhook_secret: SecretText::new(format!("whsec_{client_id}")),
            client_id,
            client_secret: client_secret.into(),
            redirect_uris: Vec::new(),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            webhook: None,
            refuses_subscriptions: false,
        }
    }

    /// Allows this redirect.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Ticks exactly these scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Registers a webhook in the portal.
    #[must_use]
    pub fn webhook(mut self, webhook: PortalWebhook) -> Self {
        self.webhook = Some(webhook);
        self
    }

    /// Sets the signing secret of the portal's webhook.
    #[must_use]
    pub fn webhook_secret(mut self, secret: impl Into<SecretText>) -> Self {
        self.webhook_secret = secret.into();
        self
    }

    /// Answers `POST /webhooks/subscriptions` with 400 and an empty `error`.
    #[must_use]
    pub const fn refuse_subscriptions(mut self) -> Self {
        self.refuses_subscriptions = true;
        self
    }
}

/// The webhook of an app's Events tab.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortalWebhook {
    /// Where events are posted to.
    pub url: String,
    /// In which families. With both, each event comes twice.
    pub families: BTreeSet<WebhookFamily>,
    /// The topics ticked; all if `None`.
    pub topics: Option<BTreeSet<String>>,
    /// Whether message events carry the text.
    pub with_text: bool,
    /// Whether `X-Fanvue-Topic` and `X-Fanvue-Event-Id` are sent.
    pub hint_headers: bool,
}

impl PortalWebhook {
    /// All events of the current family, with text and hint headers.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            families: BTreeSet::from([WebhookFamily::Current]),
            topics: None,
            with_text: true,
            hint_headers: true,
        }
    }

    /// Sends in exactly these families.
    #[must_use]
    pub fn families(mut self, families: impl IntoIterator<Item = WebhookFamily>) -> Self {
        self.families = families.into_iter().collect();
        self
    }

    /// Ticks exactly these topics.
    #[must_use]
    pub fn topics<S: Into<String>>(mut self, topics: impl IntoIterator<Item = S>) -> Self {
        self.topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves the text out of message events.
    #[must_use]
    pub const fn without_text(mut self) -> Self {
        self.with_text = false;
        self
    }

    /// Leaves the hint headers out.
    #[must_use]
    pub const fn without_hint_headers(mut self) -> Self {
        self.hint_headers = false;
        self
    }
}

/// What a creator, or an agency, allowed an app to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The scopes granted.
    pub scopes: BTreeSet<String>,
    /// When.
    pub since: Moment,
}

/// A subscription made by `POST /webhooks/subscriptions`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiSubscription {
    /// Its id.
    pub id: Uuid,
    /// The app that made it.
    pub client_id: String,
    /// The creator or agency whose token made it.
    pub user: Uuid,
    /// Where events are posted to.
    pub url: String,
    /// The topics asked for.
    pub events: BTreeSet<String>,
    /// Its own signing secret.
    pub secret: SecretText,
}

/// Where one event goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) client_id: String,
    pub(crate) url: String,
    pub(crate) secret: SecretText,
    pub(crate) family: WebhookFamily,
    pub(crate) topic: &'static str,
    pub(crate) with_text: bool,
    pub(crate) hint_headers: bool,
}

impl World {
    /// Registers an app, or replaces the one with the same client id.
    pub fn add_app(&mut self, app: App) {
        self.apps.insert(app.client_id.clone(), app);
    }

    /// An app.
    pub fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.get(client_id)
    }

    /// An app, to be changed.
    pub fn app_mut(&mut self, client_id: &str) -> Option<&mut App> {
        self.apps.get_mut(client_id)
    }

    /// All apps, by client id.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// The user authorizes the app. Scopes that a former grant held and this one does not are
    /// gone for webhooks; tokens keep what they were issued with.
    pub fn grant<S: AsRef<str>>(
        &mut self,
        client_id: &str,
        user: Uuid,
        scopes: impl IntoIterator<Item = S>,
        now: Moment,
    ) {
        let scopes = scopes
            .into_iter()
            .map(|scope| scope.as_ref().to_owned())
            .collect();
        self.grants
            .insert((client_id.to_owned(), user), Grant { scopes, since: now });
    }

    /// What a user granted an app.
    pub fn grant_of(&self, client_id: &str, user: Uuid) -> Option<&Grant> {
        // The key is owned, so a borrowed lookup would need a second map; there are few grants.
        self.grants.get(&(client_id.to_owned(), user))
    }

    /// The user disconnects the app: its tokens end, its webhooks stop.
    pub fn disconnect(&mut self, client_id: &str, user: Uuid, now: Moment) {
        self.emit(user, Uuid::nil(), &EventKind::LoggedOut, now);
        self.revoke_all(client_id, user);
        self.grants.remove(&(client_id.to_owned(), user));
        self.subscriptions
            .retain(|s| s.client_id != client_id || s.user != user);
    }

    /// `POST /webhooks/subscriptions`.
    ///
    /// # Errors
    ///
    /// `Empty` for an app that refuses them, `Validation` for an unknown event or none,
    /// `Forbidden` if an event is not covered by the granted scopes.
    pub fn subscribe_webhook(
        &mut self,
        client_id: &str,
        user: Uuid,
        url: &str,
        events: &[String],
    ) -> Result<&ApiSubscription, ApiError> {
        if self
            .app(client_id)
            .is_none_or(|app| app.refuses_subscriptions)
        {
            return Err(ApiError::Empty);
        }
        if events.is_empty() {
            return Err(ApiError::invalid("events must name at least one event"));
        }
        let grant = self
            .grant_of(client_id, user)
            .ok_or(ApiError::Unauthorized)?;
        for name in events {
            let Some((_, scopes)) = event::topic(name) else {
                return Err(ApiError::invalid(format!("events must be known: {name}")));
            };
            if !scopes.iter().any(|scope| grant.scopes.contains(*scope)) {
                return Err(ApiError::Forbidden(format!(
                    "insufficient scope for {name}"
                )));
            }
        }
        let subscription = ApiSubscription {
            id: self.rng.uuid(),
            client_id: client_id.to_owned(),
            user,
            url: url.to_owned(),
            events: events.iter().cloned().collect(),
            secret: SecretText::new(self.rng.token("whsec_")),
        };
        self.subscriptions.push(subscription);
        self.subscriptions.last().ok_or(ApiError::Empty)
    }

    /// The subscriptions of an app for a user.
    pub fn webhook_subscriptions(
        &self,
        client_id: &str,
        user: Uuid,
    ) -> impl Iterator<Item = &ApiSubscription> {
        self.subscriptions
            .iter()
            .filter(move |s| s.client_id == client_id && s.user == user)
    }

    /// `DELETE /webhooks/subscriptions/{id}`.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn unsubscribe_webhook(
        &mut self,
        client_id: &str,
        user: Uuid,
        id: Uuid,
    ) -> Result<(), ApiError> {
        let before = self.subscriptions.len();
        self.subscriptions
            .retain(|s| s.client_id != client_id || s.user != user || s.id != id);
        if self.subscriptions.len() == before {
            return Err(ApiError::not_found("Subscription"));
        }
        Ok(())
    }

    /// The users whose grant covers a creator: the creator and the agencies that manage it.
    fn covers(&self, user: Uuid, creator: Uuid) -> bool {
        user == creator
            || self
                .creator(user)
                .is_some_and(|u| u.manages.contains(&creator))
    }

    pub(crate) fn targets(&self, creator: Uuid, kind: &EventKind) -> Vec<Target> {
        let mut targets = Vec::new();
        let holds = |grant: &Grant, topic: &str| {
            event::topic(topic)
                .is_some_and(|(_, scopes)| scopes.iter().any(|s| grant.scopes.contains(*s)))
        };
        for app in self.apps.values() {
            let Some(webhook) = &app.webhook else {
                continue;
            };
            for family in &webhook.families {
                let Some(topic) = self.event_topic(*family, kind) else {
                    continue;
                };
                let ticked = webhook
                    .topics
                    .as_ref()
                    .is_none_or(|topics| topics.contains(topic));
                let granted = self.grants.iter().any(|((client, user), grant)| {
                    *client == app.client_id && self.covers(*user, creator) && holds(grant, topic)
                });
                if ticked && granted {
                    targets.push(Target {
                        client_id: app.client_id.clone(),
                        url: webhook.url.clone(),
                        secret: app.webhook_secret.clone(),
                        family: *family,
                        topic,
                        with_text: webhook.with_text,
                        hint_headers: webhook.hint_headers,
                    });
                }
            }
        }
        for subscription in &self.subscriptions {
            if !self.covers(subscription.user, creator) {
                continue;
            }
            let grant = self.grant_of(&subscription.client_id, subscription.user);
            for family in [WebhookFamily::Legacy, WebhookFamily::Current] {
                let Some(topic) = self.event_topic(family, kind) else {
                    continue;
                };
                if subscription.events.contains(topic) && grant.is_some_and(|g| holds(g, topic)) {
                    targets.push(Target {
                        client_id: subscription.client_id.clone(),
                        url: subscription.url.clone(),
                        secret: subscription.secret.clone(),
                        family,
                        topic,
                        with_text: true,
                        hint_headers: true,
                    });
                }
            }
        }
        targets
    }
}
