//! Fanvue as a state machine: pure, synchronous, deterministic.
//!
//! A [`World`] holds creators, fans, chats, lists, media, apps, grants, tokens and webhook
//! deliveries. It does no I/O and has no clock: whoever drives it passes the time. Equal seeds and
//! equal operations give equal worlds, down to the ids.
//!
//! ```
//! use fanvue_bot_testkit::simulator::world::{App, Moment, Outcome, PortalWebhook, World};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Moment::from_secs(1_790_000_000);
//! let mut world = World::new(7);
//! let luna = world.add_creator("luna", "Luna", now);
//! let fan = world.add_fan("fan-one", "Fan One", now);
//! world.add_app(App::new("app", "secret").webhook(PortalWebhook::new("https://bot.test/hook")));
//! let tokens = world.issue_tokens("app", luna, ["read:chat", "write:chat"], now)?;
//!
//! // The fan writes, and the app is told.
//! world.fan_writes(luna, fan, "are you there?", now)?;
//! for delivery in world.take_due(now) {
//!     assert_eq!(delivery.topic, "creator.message.received");
//!     world.finish_delivery(delivery, Outcome::Answered(200), now);
//! }
//!
//! // The app answers. Everything after this could come through the API as well.
//! let access = world.authorize(tokens.access, now)?;
//! world.send_message(access.user, fan, "I am!", now.plus(5_000))?;
//! assert!(world.unanswered().is_empty());
//! assert!(world.sent_answers().iter().all(|sent| sent.count == 1));
//! # Ok(())
//! # }
//! ```

mod app;
mod chat;
mod error;
mod event;
mod fault;
mod fixtures;
mod listing;
mod lists;
mod media;
mod message;
mod money;
mod outbox;
mod people;
mod rate;
mod report;
mod rng;
mod secret;
pub mod signature;
mod time;
mod tokens;
mod writing;

use std::collections::BTreeMap;

use uuid::Uuid;

pub use app::{ApiSubscription, App, Grant, PortalWebhook, SCOPES};
pub use chat::{Chat, ChatPatch, MAX_NICKNAME, Typing};
pub use error::ApiError;
pub use event::{EventBody, EventKind, TOPICS, WebhookFamily, topic};
pub use fault::{RequestFault, RequestRule, Trigger, WebhookFault, WebhookRule};
pub use fixtures::Fixture;
pub use listing::{ChatFilter, ChatQuery, ChatSort, MessageQuery};
pub use lists::{CustomList, MassMessage, NewMassMessage, SmartList};
pub use media::{Folder, Media, MediaStatus, MediaType, Template};
pub use message::{AutomatedTrigger, FanMessage, Message, MessageKind, NewMessage, Origin};
pub use money::{Payment, Spending};
pub use outbox::{Delivery, DeliveryRecord, DeliveryState, Outcome};
pub use people::{Contact, Creator, Fan, OnlineStatus, Relation, Subscription, SubscriptionEnd};
pub use rate::{BucketKey, RateDecision, RateLimits};
pub use report::SentAnswer;
pub use rng::Rng;
pub use secret::SecretText;
#[cfg(feature = "simulator")]
pub(crate) use signature::hex;
pub use time::Moment;
pub use tokens::{Access, Consent, IssuedTokens, OAuthError, challenge};
pub use writing::{MAX_TEXT, MIN_PRICE};

/// The platform's own constants, to be changed before or while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorldSettings {
    /// How long an access token is good, in seconds.
    pub access_token_seconds: u64,
    /// How long an authorization code is good, in milliseconds.
    pub code_lifetime: u64,
    /// How long a used refresh token goes on working, in milliseconds.
    pub refresh_grace: u64,
    /// How long to wait before each further try of a webhook delivery, in milliseconds; given up
    /// when there are no more.
    pub webhook_retries: Vec<u64>,
    /// How large the rate limit buckets are.
    pub rate_limits: RateLimits,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            access_token_seconds: 3599,
            code_lifetime: 60_000,
            refresh_grace: 30_000,
            webhook_retries: vec![1_000, 5_000, 30_000, 120_000, 600_000],
            rate_limits: RateLimits::default(),
        }
    }
}

/// The simulated platform. See the [module's documentation](self).
#[derive(Clone, Debug)]
pub struct World {
    settings: WorldSettings,
    rng: Rng,
    creators: BTreeMap<Uuid, Creator>,
    fans: BTreeMap<Uuid, Fan>,
    relations: BTreeMap<(Uuid, Uuid), Relation>,
    chats: BTreeMap<(Uuid, Uuid), Chat>,
    stored: u64,
    media: BTreeMap<Uuid, Media>,
    mass_messages: Vec<MassMessage>,
    payments: Vec<Payment>,
    apps: BTreeMap<String, App>,
    grants: BTreeMap<(String, Uuid), Grant>,
    subscriptions: Vec<ApiSubscription>,
    issued: tokens::Issued,
    buckets: rate::Buckets,
    outbox: BTreeMap<(Moment, u64), Delivery>,
    held: BTreeMap<String, (Moment, u64)>,
    sequence: u64,
    deliveries: Vec<DeliveryRecord>,
    request_faults: Vec<RequestRule>,
    webhook_faults: Vec<WebhookRule>,
}

impl World {
    /// An empty world. All ids and all chances follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            settings: WorldSettings::default(),
            rng: Rng::new(seed),
            creators: BTreeMap::new(),
            fans: BTreeMap::new(),
            relations: BTreeMap::new(),
            chats: BTreeMap::new(),
            stored: 0,
            media: BTreeMap::new(),
            mass_messages: Vec::new(),
            payments: Vec::new(),
            apps: BTreeMap::new(),
            grants: BTreeMap::new(),
            subscriptions: Vec::new(),
            issued: tokens::Issued::default(),
            buckets: rate::Buckets::default(),
            outbox: BTreeMap::new(),
            held: BTreeMap::new(),
            sequence: 0,
            deliveries: Vec::new(),
            request_faults: Vec::new(),
            webhook_faults: Vec::new(),
        }
    }

    /// The constants in force.
    pub const fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// The constants, to be changed.
    pub const fn settings_mut(&mut self) -> &mut WorldSettings {
        &mut self.settings
    }
}

#[cfg(test)]
mod tests;
