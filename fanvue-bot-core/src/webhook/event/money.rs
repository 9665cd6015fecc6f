//! Events about money: subscriptions, payments, refunds, disputes.

use crate::fan::FanProfile;
use crate::id::MessageId;
use crate::money::Cents;
use crate::time::Timestamp;
use uuid::Uuid;

/// A subscription changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// How.
    pub change: SubscriptionChange,
    /// Who subscribes, if given.
    pub fan: Option<FanProfile>,
    /// Fanvue's id of the subscription, if given.
    pub id: Option<Box<str>>,
    /// Fanvue's word for its state (`active`, `expired`), if given.
    pub status: Option<Box<str>>,
    /// Whether it ends with the current period, if given.
    pub cancel_at_period_end: Option<bool>,
    /// The price, if given (the older family only).
    pub price: Option<Cents>,
    /// When the current period began, if given.
    pub period_started_at: Option<Timestamp>,
    /// When it ends unless renewed, if given.
    pub expires_at: Option<Timestamp>,
}

/// How a subscription changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriptionChange {
    /// It began.
    Activated,
    /// Another period was paid.
    Renewed,
    /// It ended.
    Deactivated,
    /// The fan decided to let it run out, or took that back.
    CancelAtPeriodEndChanged,
}

/// A fan paid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payment {
    /// What for.
    pub source: PaymentSource,
    /// Who, if given.
    pub fan: Option<FanProfile>,
    /// Fanvue's id of the payment, if given.
    pub id: Option<Box<str>>,
    /// What the fan paid, if given.
    pub gross: Option<Cents>,
    /// What the creator gets of it, if given.
    pub net: Option<Cents>,
    /// The currency's code, if given. Amounts are US cents where it is not.
    pub currency: Option<Box<str>>,
    /// The message paid for or tipped, if any.
    pub message: Option<MessageId>,
    /// The post paid for or tipped, if any.
    pub post: Option<Uuid>,
    /// When; the event's own time when not given.
    pub paid_at: Option<Timestamp>,
}

/// What a payment is for, as Fanvue names it. Open: Fanvue adds sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PaymentSource {
    /// A tip.
    Tip,
    /// A paid message.
    Message,
    /// A paid post.
    Post,
    /// A new subscription.
    Subscription,
    /// A subscription's next period.
    Renewal,
    /// A media link.
    MediaLink,
    /// Any other word; empty when none is given.
    Other(Box<str>),
}

impl PaymentSource {
    /// The source with this name on the wire.
    #[must_use]
    pub fn from_wire(name: &str) -> Self {
        match name {
            "tip" => Self::Tip,
            "message" => Self::Message,
            "post" => Self::Post,
            "subscription" => Self::Subscription,
            "renewal" => Self::Renewal,
            "mediaLink" | "media_link" => Self::MediaLink,
            _ => Self::Other(name.into()),
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        match self {
            Self::Tip => "tip",
            Self::Message => "message",
            Self::Post => "post",
            Self::Subscription => "subscription",
            Self::Renewal => "renewal",
            Self::MediaLink => "mediaLink",
            Self::Other(name) => name,
        }
    }
}

/// A payment went back, or is disputed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reversal {
    /// The fan who had paid, if given.
    pub fan: Option<FanProfile>,
    /// Fanvue's id of the refund or dispute, if given.
    pub id: Option<Box<str>>,
    /// Fanvue's id of the payment, if given.
    pub payment: Option<Box<str>>,
    /// How much, as a positive amount, if given.
    pub amount: Option<Cents>,
    /// The currency's code, if given.
    pub currency: Option<Box<str>>,
    /// When; the event's own time when not given.
    pub at: Option<Timestamp>,
}
