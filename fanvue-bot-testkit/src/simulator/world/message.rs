//! Messages, and where they came from.

use std::borrow::Cow;

use uuid::Uuid;

use super::time::Moment;

/// A message as the platform stores it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Its uuid, the same in lists, answers and events.
    pub uuid: Uuid,
    /// The words; `None` for media alone.
    pub text: Option<String>,
    /// Fanvue's `type`.
    pub kind: MessageKind,
    /// Who wrote it, and how.
    pub origin: Origin,
    /// When it was sent. Within a chat no two messages share a moment.
    pub sent_at: Moment,
    /// Media of the creator or fan.
    pub media: Vec<Uuid>,
    /// Free preview of priced media.
    pub preview: Option<Uuid>,
    /// Price of the media in cents.
    pub price: Option<u64>,
    /// When the fan paid for it.
    pub purchased_at: Option<Moment>,
    /// The team member who typed it.
    pub sent_by_user: Option<Uuid>,
    /// Whether the other side has read it.
    pub is_read: bool,
    /// When it was deleted; it is not listed any more.
    pub deleted_at: Option<Moment>,
}

impl Message {
    /// Whether the fan wrote it.
    pub const fn from_fan(&self) -> bool {
        matches!(self.origin, Origin::Fan)
    }
}

/// How a message came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The fan wrote it.
    Fan,
    /// Sent through the API.
    Api,
    /// The creator or a team member typed it in Fanvue's own pages.
    Human,
    /// Fanvue's automation sent it in the creator's name.
    Automated,
    /// A mass message.
    Broadcast,
}

/// Fanvue's `type` of a message; an open set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageKind {
    /// `SINGLE_RECIPIENT`: a message from a person, or sent through the API.
    SingleRecipient,
    /// `TIP`.
    Tip,
    /// `LOCKED_MESSAGE_UNLOCKED`.
    Unlocked,
    /// `BROADCAST`: a mass message.
    Broadcast,
    /// `AUTOMATED_...`.
    Automated(AutomatedTrigger),
    /// Any other word.
    Other(Cow<'static, str>),
}

impl MessageKind {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SingleRecipient => "SINGLE_RECIPIENT",
            Self::Tip => "TIP",
            Self::Unlocked => "LOCKED_MESSAGE_UNLOCKED",
            Self::Broadcast => "BROADCAST",
            Self::Automated(trigger) => trigger.message_type(),
            Self::Other(word) => word,
        }
    }

    /// Whether Fanvue calls it automated.
    pub fn is_automated(&self) -> bool {
        self.as_str().starts_with("AUTOMATED_")
    }
}

/// What makes Fanvue send a message by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AutomatedTrigger {
    /// A fan subscribed for the first time.
    NewSubscriber,
    /// A fan follows.
    NewFollower,
    /// A subscription ended.
    SubscriptionCanceled,
    /// A former subscriber is back.
    ReSubscribed,
    /// A subscription was renewed.
    Renewed,
    /// A fan bought something.
    NewPurchase,
    /// A fan wrote for the first time.
    FirstMessageReply,
}

impl AutomatedTrigger {
    /// Every trigger.
    pub const ALL: [Self; 7] = [
        Self::NewSubscriber,
        Self::NewFollower,
        Self::SubscriptionCanceled,
        Self::ReSubscribed,
        Self::Renewed,
        Self::NewPurchase,
        Self::FirstMessageReply,
    ];

    /// The word in `/chats/automated-messages/{trigger}`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewSubscriber => "new_subscriber",
            Self::NewFollower => "new_follower",
            Self::SubscriptionCanceled => "subscription_canceled",
            Self::ReSubscribed => "re_subscribed",
            Self::Renewed => "renewed",
            Self::NewPurchase => "new_purchase",
            Self::FirstMessageReply => "first_message_reply",
        }
    }

    /// The `type` of the messages that it sends.
    pub const fn message_type(self) -> &'static str {
        match self {
            Self::NewSubscriber => "AUTOMATED_NEW_SUBSCRIBER",
            Self::NewFollower => "AUTOMATED_NEW_FOLLOWER",
            Self::SubscriptionCanceled => "AUTOMATED_CANCELED",
            Self::ReSubscribed => "AUTOMATED_RE_SUBSCRIBED",
            Self::Renewed => "AUTOMATED_RENEWED",
            Self::NewPurchase => "AUTOMATED_NEW_PURCHASE",
            Self::FirstMessageReply => "AUTOMATED_FIRST_MESSAGE_REPLY",
        }
    }

    /// Reads the word in the path.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|trigger| trigger.as_str() == word)
    }
}

/// What a fan sends.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FanMessage {
    /// The words.
    pub text: Option<String>,
    /// Attached media. Uuids need not be known to the world.
    pub media: Vec<Uuid>,
    /// Another `type` than `SINGLE_RECIPIENT`.
    pub kind: Option<MessageKind>,
}

impl FanMessage {
    /// Words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// Media alone.
    pub fn media(media: Vec<Uuid>) -> Self {
        Self {
            media,
            ..Self::default()
        }
    }

    /// With this `type`, as to try one that no client knows.
    #[must_use]
    pub fn kind(mut self, kind: MessageKind) -> Self {
        self.kind = Some(kind);
        self
    }
}

impl From<&str> for FanMessage {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for FanMessage {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// The body of `POST /chats/{fan}/message`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NewMessage {
    /// 1 to 5000 characters; may be missing if there is media or a template.
    pub text: Option<String>,
    /// The creator's own media, ready.
    pub media: Vec<Uuid>,
    /// Cents, from 300, only with media.
    pub price: Option<u64>,
    /// Free preview of the media.
    pub preview: Option<Uuid>,
    /// A template whose text, media and price fill what is missing here.
    pub template: Option<Uuid>,
}

impl NewMessage {
    /// Words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// With media.
    #[must_use]
    pub fn with_media(mut self, media: Vec<Uuid>) -> Self {
        self.media = media;
        self
    }

    /// At this price in cents.
    #[must_use]
    pub const fn priced(mut self, price: u64) -> Self {
        self.price = Some(price);
        self
    }
}

impl From<&str> for NewMessage {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
