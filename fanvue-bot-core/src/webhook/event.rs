//! What happened at Fanvue, in one shape for both of its webhook families.

mod key;
mod message;
mod money;
mod parse;
mod presence;

pub use self::key::EventKey;
pub use self::message::{MessageDeleted, MessageEvent, MessageRead, Reaction, Sender};
pub use self::money::{Payment, PaymentSource, Reversal, Subscription, SubscriptionChange};
pub(super) use self::parse::parse;
pub use self::presence::{FanState, FanStatus, Follow};
use crate::id::AccountId;
use crate::time::Timestamp;

/// One proved event.
///
/// Made by [`VerifiedBody::parse`](crate::webhook::VerifiedBody::parse) only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The same for every delivery of this event, and different for different events of one account.
    pub key: EventKey,
    /// The creator's account that it is for. A proved body proves "from Fanvue" or, with a secret of one
    /// creator, "for that creator": the caller must check that this account is one that the secret may
    /// speak for.
    pub account: AccountId,
    /// When Fanvue says that it made the event, if it says so.
    pub at: Option<Timestamp>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A fan wrote.
    MessageReceived(MessageEvent),
    /// A message left in the creator's name: by hand, by Fanvue's automation, or by this library (it also
    /// fires for messages sent through the API).
    MessageSent(MessageEvent),
    /// A message was taken back.
    MessageDeleted(MessageDeleted),
    /// A chat was read.
    MessageRead(MessageRead),
    /// Someone reacted to a message with an emoji.
    Reaction(Reaction),
    /// A fan came online, went offline, was muted or unmuted.
    FanStatus(FanStatus),
    /// A fan followed the creator.
    Follow(Follow),
    /// A subscription began, renewed, ended, or is set to end.
    Subscription(Subscription),
    /// A fan paid.
    Payment(Payment),
    /// A payment went back.
    Refund(Reversal),
    /// A payment is disputed with the card's bank.
    Dispute(Reversal),
    /// The creator ended this app's access.
    Logout,
    /// An event that this library has no use for, or does not know: to be acknowledged and dropped.
    Other {
        /// Its name as Fanvue gives it; `unrecognized` for an older body that gives none.
        name: Box<str>,
    },
}

impl EventKind {
    /// A name of few values, for logs and metric labels. Unlike the name on the wire it is the same for
    /// both families, and one word for all unknown events.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::MessageReceived(_) => "message_received",
            Self::MessageSent(_) => "message_sent",
            Self::MessageDeleted(_) => "message_deleted",
            Self::MessageRead(_) => "message_read",
            Self::Reaction(_) => "reaction",
            Self::FanStatus(_) => "fan_status",
            Self::Follow(_) => "follow",
            Self::Subscription(_) => "subscription",
            Self::Payment(_) => "payment",
            Self::Refund(_) => "refund",
            Self::Dispute(_) => "dispute",
            Self::Logout => "logout",
            Self::Other { .. } => "other",
        }
    }
}

/// What request headers say about a body. Headers are not signed, so these only decide between readings
/// that the body itself allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Hints<'a> {
    /// The event's name, from [`TOPIC_HEADER`](crate::webhook::TOPIC_HEADER). Heeded for bodies of the
    /// older family that have the keys of that event.
    pub topic: Option<&'a str>,
    /// The event's id, from [`EVENT_ID_HEADER`](crate::webhook::EVENT_ID_HEADER). Heeded for bodies of
    /// the older family, which carry none.
    pub event_id: Option<&'a str>,
}

impl<'a> Hints<'a> {
    /// Names the event.
    #[must_use]
    pub const fn topic(mut self, topic: Option<&'a str>) -> Self {
        self.topic = topic;
        self
    }

    /// Gives the event's id.
    #[must_use]
    pub const fn event_id(mut self, id: Option<&'a str>) -> Self {
        self.event_id = id;
        self
    }
}

/// Why a proved body is no event of a creator. No variant holds anything of the body.
///
/// The same body fails in the same way when it is delivered again, so the sender should be told that it
/// arrived; whether that is worth an alert, [`ParseEventError::is_foreign`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEventError {
    /// Not JSON, cut short, or nested deeper than 128 levels.
    #[error("the webhook body is not valid JSON; pass the bytes exactly as they were received")]
    Json,
    /// JSON, but not an object.
    #[error("the webhook body must be a JSON object")]
    NotAnObject,
    /// An event of an app or a checkout link, which belongs to no creator's chat.
    #[error("the event belongs to the app and not to a creator; acknowledge and drop it")]
    Foreign,
    /// A field without which the event cannot be placed is absent or null.
    #[error("the webhook body lacks `{field}`, without which the event cannot be placed")]
    Missing {
        /// The field's path.
        field: &'static str,
    },
    /// A field without which the event cannot be placed is not a UUID.
    #[error(
        "`{field}` in the webhook body must be a UUID such as 5b0f3c1e-0000-4000-8000-00000000c0de"
    )]
    NotAnId {
        /// The field's path.
        field: &'static str,
    },
}

impl ParseEventError {
    /// Whether the body is fine and merely not for a creator.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Foreign)
    }

    /// A name of few values, for metric labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::NotAnObject => "not_an_object",
            Self::Foreign => "foreign",
            Self::Missing { .. } => "missing_field",
            Self::NotAnId { .. } => "not_an_id",
        }
    }
}

#[cfg(test)]
mod tests;
