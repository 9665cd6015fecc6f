//! The port to Fanvue's API.
//!
//! Stateless: the caller passes the credential with each call, so nothing refreshes behind its back.
//! Sources of the facts named here: the Fanvue API documentation, versions of 2026.

mod list;
mod subscription;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::list::{CustomList, FanList, SmartList, UnknownSmartList};
pub use self::subscription::{SubscribedWebhook, SubscriptionId, WebhookSubscription};
use crate::fan::FanProfile;
use crate::id::{AccountId, FanId, MediaId, MessageId};
use crate::message::{Content, MessageType};
use crate::money::Cents;
use crate::oauth::GrantId;
use crate::page::{Page, PageRequest};
use crate::rate::Class;
use crate::redact::Length;
use crate::retry::Retry;
use crate::secret::Secret;
use crate::time::Timestamp;

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Secret);

        impl $name {
            /// Takes the token's text.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(Secret::new(text.into().into_bytes()))
            }

            /// The token's text, for the one place that sends it.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_text().unwrap_or_default()
            }
        }
    };
}

token!(
    /// The bearer token of API calls; lives about an hour. Opaque.
    AccessToken
);
token!(
    /// Buys one new [`TokenSet`]. Single use: after 30 s of grace, using it again revokes the grant.
    RefreshToken
);
token!(
    /// An OAuth app's client secret.
    ClientSecret
);
token!(
    /// The PKCE code verifier: 43 to 128 characters of `A-Z a-z 0-9 - . _ ~`.
    CodeVerifier
);

/// The OAuth app on whose behalf tokens are exchanged and refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an OAuth client is exactly this pair"
)]
pub struct AppCredentials {
    /// The client id, public.
    pub client_id: Arc<str>,
    /// The client secret.
    pub client_secret: ClientSecret,
}

/// What the authorization callback yields, to be exchanged for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it")]
pub struct AuthorizationGrant {
    /// The app that asked.
    pub app: AppCredentials,
    /// The authorization code; single use.
    pub code: Secret,
    /// The redirect URI of the request, byte for byte.
    pub redirect_uri: String,
    /// The verifier whose challenge the request carried.
    pub code_verifier: CodeVerifier,
}

/// An access token and what renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct TokenSet {
    /// For API calls.
    pub access_token: AccessToken,
    /// For the next refresh; absent when `offline_access` was not granted.
    pub refresh_token: Option<RefreshToken>,
    /// How long the access token lives from the moment it was issued.
    pub expires_in: Duration,
    /// The granted scopes; `None` when the answer left them out, and the old ones stay valid.
    pub scopes: Option<Vec<String>>,
}

/// On whose chats a call acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the API knows exactly these two ways"
)]
pub enum Reach {
    /// The account that granted access: `/chats/…`.
    Own,
    /// One creator of an agency's grant: `/creators/{uuid}/chats/…`.
    Agency(AccountId),
}

/// The credential of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it")]
pub struct Auth {
    /// The bearer token.
    pub token: AccessToken,
    /// On whose chats to act.
    pub reach: Reach,
    /// Whose grant the token is of: its limits are the grant's, whichever token is used.
    pub grant: GrantId,
    /// What the call is for, and so which calls go before it.
    pub class: Class,
}

impl Auth {
    /// The same credential for calls of this class.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }
}

/// The account behind a token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Its id: the tenant key of webhooks.
    pub id: AccountId,
    /// The public handle.
    pub handle: Option<String>,
    /// The shown name.
    pub display_name: Option<String>,
    /// Whether the account is a creator's.
    pub is_creator: Option<bool>,
}

impl User {
    /// A user of whom only the id is known.
    #[must_use]
    pub const fn new(id: AccountId) -> Self {
        Self {
            id,
            handle: None,
            display_name: None,
            is_creator: None,
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One chat of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatSummary {
    /// The fan on the other side.
    pub fan: FanProfile,
    /// Whether the creator's side has read everything.
    pub is_read: bool,
    /// How many messages are unread.
    pub unread_messages: u64,
    /// When the newest message was sent; `None` for an empty chat.
    pub last_message_at: Option<Timestamp>,
    /// The newest message's id, if the list told it.
    pub last_message: Option<MessageId>,
}

impl ChatSummary {
    /// A read chat with `fan` of which nothing else is known.
    #[must_use]
    pub const fn new(fan: FanProfile) -> Self {
        Self {
            fan,
            is_read: true,
            unread_messages: 0,
            last_message_at: None,
            last_message: None,
        }
    }
}

/// Which chats to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChatFilter {
    /// All.
    #[default]
    All,
    /// Those with unread messages (`filter=unread`).
    Unread,
}

/// One message as Fanvue lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteMessage {
    /// Its id.
    pub id: MessageId,
    /// Who sent it: compare with the creator's account to tell the direction.
    pub sender: Option<AccountId>,
    /// What it says.
    pub content: Content,
    /// When it was sent; `None` while scheduled or not delivered.
    pub sent_at: Option<Timestamp>,
    /// Its kind.
    pub kind: MessageType,
    /// The team member who typed it, if any: a human.
    pub sent_by_user: Option<String>,
    /// When a paid message was unlocked.
    pub purchased_at: Option<Timestamp>,
}

impl RemoteMessage {
    /// A normal message with this content.
    #[must_use]
    pub const fn new(
        id: MessageId,
        sender: AccountId,
        content: Content,
        sent_at: Timestamp,
    ) -> Self {
        Self {
            id,
            sender: Some(sender),
            content,
            sent_at: Some(sent_at),
            kind: MessageType::SingleRecipient,
            sent_by_user: None,
            purchased_at: None,
        }
    }
}

/// Which messages of a chat to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageQuery {
    /// Which part of the list.
    pub page: PageRequest,
    /// Whether listing also marks the chat as read. Always sent explicitly: Fanvue's default differs
    /// between path families.
    pub mark_as_read: MarkAsRead,
}

impl MessageQuery {
    /// The newest `limit` messages, leaving the chat unread.
    #[must_use]
    pub const fn newest(limit: usize) -> Self {
        Self {
            page: PageRequest::first(limit),
            mark_as_read: MarkAsRead::No,
        }
    }

    /// This part of the list, leaving the chat unread.
    #[must_use]
    pub const fn page(page: PageRequest) -> Self {
        Self {
            page,
            mark_as_read: MarkAsRead::No,
        }
    }
}

/// Whether listing messages marks the chat as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a yes or no with a name")]
pub enum MarkAsRead {
    /// Leave it as it is.
    #[default]
    No,
    /// Mark it.
    Yes,
}

/// A message to send. `Debug` shows the length of the words and not the words.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutgoingMessage {
    /// The words, 1 to 5000 characters; `None` for media only.
    pub text: Option<Arc<str>>,
    /// The creator's own media, status `ready`.
    pub media: Vec<MediaId>,
    /// A price for the media, at least 300 cents.
    pub price: Option<Cents>,
}

impl OutgoingMessage {
    /// A message of words only.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: Some(text.into()),
            media: Vec::new(),
            price: None,
        }
    }
}

impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("text", &self.text.as_deref().map(Length))
            .field("media", &self.media)
            .field("price", &self.price)
            .finish()
    }
}

/// Whether a fan is online. Users who hide it show as offline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Presence {
    /// The fan.
    pub fan: FanId,
    /// Whether they are online now.
    pub online: bool,
    /// When they were last seen.
    pub last_seen_at: Option<Timestamp>,
}

/// How many chats and messages are unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct UnreadCounts {
    /// Chats with unread messages.
    pub chats: u64,
    /// Unread messages in all chats.
    pub messages: u64,
}

/// Fanvue's API and OAuth endpoints.
///
/// An implementation neither retries nor sleeps, and keeps no credential between calls. Reads may be
/// repeated freely. Of the writes, `send_message` is not idempotent: Fanvue has no idempotency key, so an
/// unknown outcome is [`ClientError::OutcomeUnknown`] and the caller reads the chat before it sends again.
/// Dropping a future may leave a write sent or not sent: treat it as unknown.
#[async_trait]
pub trait FanvueClient: fmt::Debug + Send + Sync + 'static {
    /// Exchanges an authorization code for tokens. The code works once.
    ///
    /// # Errors
    /// [`ClientError::InvalidGrant`] if the code, verifier or redirect is refused;
    /// [`ClientError::InvalidClient`] if the app's id or secret is.
    async fn exchange_code(&self, grant: &AuthorizationGrant) -> Result<TokenSet, ClientError>;

    /// Buys a new token set with a refresh token, which is used up by it.
    ///
    /// # Errors
    /// [`ClientError::InvalidGrant`] if the token was used or revoked;
    /// [`ClientError::OutcomeUnknown`] if no definite answer came: the same token may be tried again
    /// within Fanvue's 30 s of grace.
    async fn refresh_tokens(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<TokenSet, ClientError>;

    /// Revokes a refresh token and the grant it belongs to. Idempotent: a token that is unknown or revoked
    /// already is fine.
    ///
    /// # Errors
    /// [`ClientError::InvalidClient`] if the app's id or secret is refused;
    /// [`ClientError::Unavailable`] if there was no definite answer: try again.
    async fn revoke_token(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<(), ClientError>;

    /// The account behind the token: `GET /users/me`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn current_user(&self, auth: &Auth) -> Result<User, ClientError>;

    /// The creators that the agency behind the token manages: `GET /creators`, scope `read:creator`. Each
    /// is reached with [`Reach::Agency`]. None for an account that is no agency's.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn managed_creators(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<User>, ClientError>;

    /// Subscribes `url`, public HTTPS, to webhooks of these `events` for the account behind the token. The
    /// answer holds the signing secret, which is not told again. Not idempotent: each call makes another
    /// subscription.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] where Fanvue does not offer it, as seen for private apps: the webhook is
    /// then registered in the developer portal. [`ClientError::Forbidden`] if an event is not covered by
    /// the granted scopes. [`ClientError::OutcomeUnknown`] if no definite answer came.
    async fn subscribe_webhook(
        &self,
        auth: &Auth,
        url: &str,
        events: &[String],
    ) -> Result<SubscribedWebhook, ClientError>;

    /// The subscriptions of this app for the account behind the token, without their secrets. Not those of
    /// the developer portal.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn webhook_subscriptions(
        &self,
        auth: &Auth,
    ) -> Result<Vec<WebhookSubscription>, ClientError>;

    /// Ends a subscription. Idempotent: one that is gone is fine.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn unsubscribe_webhook(
        &self,
        auth: &Auth,
        subscription: &SubscriptionId,
    ) -> Result<(), ClientError>;

    /// The chats, most recent message first.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn chats(
        &self,
        auth: &Auth,
        filter: ChatFilter,
        page: &PageRequest,
    ) -> Result<Page<ChatSummary>, ClientError>;

    /// The messages of the chat with `fan`, newest first. Never marks the chat as read unless asked.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no chat with this fan.
    async fn messages(
        &self,
        auth: &Auth,
        fan: FanId,
        query: &MessageQuery,
    ) -> Result<Page<RemoteMessage>, ClientError>;

    /// One message of the chat with `fan`.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such message, or it was deleted.
    async fn message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError>;

    /// Sends a message and answers with its id. Not idempotent.
    ///
    /// # Errors
    /// [`ClientError::OutcomeUnknown`] if the request left and no definite answer came;
    /// [`ClientError::NotContactable`] if Fanvue says that this fan cannot be written to; every other
    /// error means that nothing was sent.
    async fn send_message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: &OutgoingMessage,
    ) -> Result<MessageId, ClientError>;

    /// Opens a chat with a fan who has none yet; one that exists is fine.
    ///
    /// # Errors
    /// [`ClientError::NotContactable`] if this fan cannot be written to.
    async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError>;

    /// Marks the chat as read. Idempotent.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError>;

    /// Shows or hides the typing signal. Best effort: callers ignore failures.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn set_typing(&self, auth: &Auth, fan: FanId, typing: Typing) -> Result<(), ClientError>;

    /// How much is unread.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError>;

    /// Who of `fans` (at most 100) is online. Fans that Fanvue leaves out are left out.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] if there are more than 100.
    async fn presence(&self, auth: &Auth, fans: &[FanId]) -> Result<Vec<Presence>, ClientError>;

    /// The lists of fans that the creator keeps: `GET /chats/lists/custom`, scopes `read:chat` and `read:fan`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    async fn custom_lists(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, ClientError>;

    /// Who is in a list, in Fanvue's order, with the same scopes. A fan who joins or leaves while pages are read may
    /// be listed twice or not at all.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such list.
    async fn list_members(
        &self,
        auth: &Auth,
        list: FanList,
        page: &PageRequest,
    ) -> Result<Page<FanProfile>, ClientError>;

    /// Every call has ended, well or badly, within this time. An engine waits this long before it takes a
    /// send that did not report for lost.
    fn longest_request(&self) -> Duration;
}

/// Whether the creator is shown as typing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a yes or no with a name")]
pub enum Typing {
    /// Show it.
    Started,
    /// Hide it.
    Stopped,
}

/// Why a call to Fanvue failed. Each variant is one thing a caller does differently.
///
/// `message` fields hold Fanvue's own words, cut to 200 characters; requests are never quoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// 401: the access token is expired or revoked. It may have rotated: read the vault again.
    #[error("fanvue does not accept the access token")]
    Unauthorized,
    /// 403: the token lacks a scope. The creator has to connect again after it is ticked in the app.
    #[error("fanvue forbids the call: {message}")]
    Forbidden {
        /// What Fanvue said.
        message: String,
    },
    /// 404: no such chat, message or creator.
    #[error("fanvue does not know what was asked for")]
    NotFound,
    /// This fan cannot be written to (deleted, blocked, not contactable): do not try again for hours.
    #[error("fanvue says that the fan cannot be contacted")]
    NotContactable,
    /// 400, 409, 422: the request itself is refused; nothing was done.
    #[error("fanvue rejects the request: {message}")]
    Rejected {
        /// What Fanvue said.
        message: String,
    },
    /// 429, or our own budget: nothing was done.
    #[error("rate limited for {} s", retry_after.as_secs())]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// 410: this API version is retired; upgrade the library.
    #[error("fanvue has retired this version of its API")]
    VersionRetired,
    /// The authorization server refused a code or a refresh token.
    #[error("the grant is used up, expired or revoked")]
    InvalidGrant,
    /// The authorization server refused the app's id or secret.
    #[error("fanvue does not accept the app's client id and secret")]
    InvalidClient,
    /// Nothing was done: the connection was never made, or a read failed.
    #[error("fanvue is unavailable")]
    Unavailable {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write left and no definite answer came back: it may have been done.
    #[error("fanvue gave no definite answer to a write")]
    OutcomeUnknown {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A read was answered with something that does not parse.
    #[error("fanvue's answer does not parse: {reason}")]
    Malformed {
        /// Which field, and what was expected; never the answer itself.
        reason: String,
    },
}

impl ClientError {
    /// Fanvue did not answer, and nothing was done.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// A write may have been done.
    pub fn outcome_unknown(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::OutcomeUnknown {
            source: source.into(),
        }
    }

    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unauthorized | Self::OutcomeUnknown { .. } => Retry::Reconcile,
            Self::RateLimited { retry_after } => Retry::After(*retry_after),
            // An answer that does not parse may be a proxy's error page under status 200.
            Self::Unavailable { .. } | Self::Malformed { .. } => Retry::Backoff,
            Self::Forbidden { .. }
            | Self::NotFound
            | Self::NotContactable
            | Self::Rejected { .. }
            | Self::VersionRetired
            | Self::InvalidGrant
            | Self::InvalidClient => Retry::Never,
        }
    }
}

macro_rules! forward_client {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<C: FanvueClient + ?Sized> FanvueClient for $($pointer)::+<C> {
            async fn exchange_code(&self, grant: &AuthorizationGrant) -> Result<TokenSet, ClientError> {
                (**self).exchange_code(grant).await
            }

            async fn refresh_tokens(&self, app: &AppCredentials, token: &RefreshToken) -> Result<TokenSet, ClientError> {
                (**self).refresh_tokens(app, token).await
            }

            async fn revoke_token(&self, app: &AppCredentials, token: &RefreshToken) -> Result<(), ClientError> {
                (**self).revoke_token(app, token).await
            }

            async fn current_user(&self, auth: &Auth) -> Result<User, ClientError> {
                (**self).current_user(auth).await
            }

            async fn managed_creators(&self, auth: &Auth, page: &PageRequest) -> Result<Page<User>, ClientError> {
                (**self).managed_creators(auth, page).await
            }

            async fn subscribe_webhook(&self, auth: &Auth, url: &str, events: &[String]) -> Result<SubscribedWebhook, ClientError> {
                (**self).subscribe_webhook(auth, url, events).await
            }

            async fn webhook_subscriptions(&self, auth: &Auth) -> Result<Vec<WebhookSubscription>, ClientError> {
                (**self).webhook_subscriptions(auth).await
            }

            async fn unsubscribe_webhook(&self, auth: &Auth, subscription: &SubscriptionId) -> Result<(), ClientError> {
                (**self).unsubscribe_webhook(auth, subscription).await
            }

            async fn chats(&self, auth: &Auth, filter: ChatFilter, page: &PageRequest) -> Result<Page<ChatSummary>, ClientError> {
                (**self).chats(auth, filter, page).await
            }

            async fn messages(&self, auth: &Auth, fan: FanId, query: &MessageQuery) -> Result<Page<RemoteMessage>, ClientError> {
                (**self).messages(auth, fan, query).await
            }

            async fn message(&self, auth: &Auth, fan: FanId, message: MessageId) -> Result<RemoteMessage, ClientError> {
                (**self).message(auth, fan, message).await
            }

            async fn send_message(&self, auth: &Auth, fan: FanId, message: &OutgoingMessage) -> Result<MessageId, ClientError> {
                (**self).send_message(auth, fan, message).await
            }

            async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
                (**self).create_chat(auth, fan).await
            }

            async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
                (**self).mark_read(auth, fan).await
            }

            async fn set_typing(&self, auth: &Auth, fan: FanId, typing: Typing) -> Result<(), ClientError> {
                (**self).set_typing(auth, fan, typing).await
            }

            async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError> {
                (**self).unread_counts(auth).await
            }

            async fn presence(&self, auth: &Auth, fans: &[FanId]) -> Result<Vec<Presence>, ClientError> {
                (**self).presence(auth, fans).await
            }

            async fn custom_lists(&self, auth: &Auth, page: &PageRequest) -> Result<Page<CustomList>, ClientError> {
                (**self).custom_lists(auth, page).await
            }

            async fn list_members(&self, auth: &Auth, list: FanList, page: &PageRequest) -> Result<Page<FanProfile>, ClientError> {
                (**self).list_members(auth, list, page).await
            }

            fn longest_request(&self) -> Duration {
                (**self).longest_request()
            }
        }
    };
}
forward_client!(Arc);
forward_client!(Box);
