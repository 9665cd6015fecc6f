//! The smallest Fanvue to try a bot on: one creator, one fan, one chat.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanvue_bot_core::client::{AppCredentials, ClientSecret, TokenSet};
use fanvue_bot_core::id::{AccountId, FanId};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::time::{Clock, SystemClock};
use uuid::Uuid;

use crate::simulator::world::{
    ApiError, App, FanMessage, IssuedTokens, Outcome, PortalWebhook, SCOPES, World,
};
use crate::world_client::{WorldClient, moment, token_set};

const CLIENT_ID: &str = "simulated-app";
const CLIENT_SECRET: &str = "simulated-secret";
const WEBHOOK_SECRET: &str = "whsec_simulated";

/// A chat of one creator and one fan on a simulated Fanvue in this process. The creator has connected an
/// app, and the app's webhook is told of every message.
///
/// ```
/// use fanvue_bot_core::time::{Clock, SystemClock};
/// use fanvue_bot_core::webhook::{Hints, Verifier};
/// use fanvue_bot_testkit::chat::SimulatedChat;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fanvue = SimulatedChat::new("Luna", "Ben")?;
/// let verifier = Verifier::new(&fanvue.webhook_secret())?;
///
/// fanvue.fan_writes("hi Luna")?;
/// for webhook in fanvue.webhooks() {
///     let now = SystemClock.now();
///     let proved = verifier.verify(webhook.signature.as_bytes(), &webhook.body, now)?;
///     assert_eq!(proved.parse(&Hints::default())?.account, fanvue.account());
/// }
/// assert_eq!(fanvue.lines()[0].to_string(), "Ben: hi Luna");
/// # Ok(())
/// # }
/// ```
///
/// With more people, faults or money, take the [`World`] itself; over HTTP, the simulator.
#[derive(Clone)]
pub struct SimulatedChat {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    creator: Uuid,
    fan: Uuid,
    names: [Arc<str>; 2],
    tokens: IssuedTokens,
}

/// What Fanvue posts to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// The value of `X-Fanvue-Signature`.
    pub signature: String,
    /// The bytes that it signs.
    pub body: Vec<u8>,
}

/// A message as the two see it in the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The name of who wrote it.
    pub from: Arc<str>,
    /// What it says; empty for media alone.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.from, self.text)
    }
}

impl SimulatedChat {
    /// A creator and a fan of these names, by the system's clock.
    ///
    /// # Errors
    /// None that a caller could cause; they are the world's.
    pub fn new(creator: &str, fan: &str) -> Result<Self, ApiError> {
        Self::on_clock(creator, fan, Arc::new(SystemClock))
    }

    /// The same, by this clock.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on_clock(creator: &str, fan: &str, clock: Arc<dyn Clock>) -> Result<Self, ApiError> {
        let now = moment(clock.now());
        let names = [creator.into(), fan.into()];
        let mut world = World::new(1);
        world.add_app(
            App::new(CLIENT_ID, CLIENT_SECRET)
                .webhook_secret(WEBHOOK_SECRET)
                .webhook(PortalWebhook::new("http://127.0.0.1/webhooks/fanvue")),
        );
        let creator = world.add_creator("creator", creator, now);
        let fan = world.add_fan("fan", fan, now);
        let tokens = world.issue_tokens(CLIENT_ID, creator, SCOPES, now)?;
        Ok(Self {
            world: Arc::new(Mutex::new(world)),
            clock,
            creator,
            fan,
            names,
            tokens,
        })
    }

    /// A client of this Fanvue.
    #[must_use]
    pub fn client(&self) -> WorldClient {
        WorldClient::new(Arc::clone(&self.world), Arc::clone(&self.clock))
    }

    /// The app that the creator has connected.
    #[must_use]
    pub fn app(&self) -> AppCredentials {
        AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        }
    }

    /// What the app got when the creator connected it.
    #[must_use]
    pub fn tokens(&self) -> TokenSet {
        token_set(&self.tokens)
    }

    /// The secret that the app's webhooks are signed with.
    #[must_use]
    pub fn webhook_secret(&self) -> Secret {
        Secret::new(WEBHOOK_SECRET)
    }

    /// The creator's account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        AccountId::from_uuid(self.creator)
    }

    /// The fan.
    #[must_use]
    pub const fn fan(&self) -> FanId {
        FanId::from_uuid(self.fan)
    }

    /// The fan writes; a text, or a [`FanMessage`] with media.
    ///
    /// # Errors
    /// A text that is empty, without media.
    pub fn fan_writes(&self, message: impl Into<FanMessage>) -> Result<(), ApiError> {
        let now = moment(self.clock.now());
        self.lock()
            .fan_writes(self.creator, self.fan, message, now)
            .map(drop)
    }

    /// The webhooks that are due and were not taken before. Those of the creator's own messages are among
    /// them, as on Fanvue. They count as acknowledged and do not come again.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Webhook> {
        let now = moment(self.clock.now());
        let mut world = self.lock();
        let mut webhooks = Vec::new();
        for delivery in world.take_due(now) {
            webhooks.push(Webhook {
                signature: delivery.signature(now),
                body: delivery.body.clone(),
            });
            world.finish_delivery(delivery, Outcome::Answered(200), now);
        }
        webhooks
    }

    /// The chat, oldest message first.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let world = self.lock();
        let [creator, fan] = &self.names;
        world
            .chat(self.creator, self.fan)
            .into_iter()
            .flat_map(|chat| chat.visible())
            .map(|message| Line {
                from: Arc::clone(if message.from_fan() { fan } else { creator }),
                text: message.text.clone().unwrap_or_default(),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimulatedChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedChat")
            .field("account", &self.creator)
            .field("fan", &self.fan)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> SimulatedChat {
        SimulatedChat::new("Luna", "Ben").expect("a new world takes two people")
    }

    #[test]
    fn each_message_of_the_fan_makes_one_webhook_which_comes_once() {
        let chat = chat();
        chat.fan_writes("hi").expect("a text");
        chat.fan_writes("are you there?").expect("a text");
        assert_eq!(chat.webhooks().len(), 2);
        assert_eq!(chat.webhooks(), []);
    }

    #[test]
    fn a_fan_cannot_say_nothing() {
        let chat = chat();
        assert!(chat.fan_writes("").is_err());
        assert_eq!(chat.webhooks(), []);
        assert_eq!(chat.lines(), []);
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", chat());
        assert!(!text.contains("whsec") && !text.contains(CLIENT_SECRET));
    }
}
