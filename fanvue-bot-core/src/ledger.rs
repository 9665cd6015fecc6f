//! What fans pay: a record of each time that Fanvue tells of money.
//!
//! A [`Transaction`] is written once and never changed. It is known by what Fanvue calls the payment, so that the
//! same event again adds nothing, in whatever order and however often it comes. Where both of Fanvue's webhook
//! families are on, one payment is told of twice under different names, and of a subscription up to three times;
//! [`first_telling`] finds out, and the later records name the first in [`Transaction::same_as`]. What is counted of
//! them is in [`Spend`], part of the conversation, which the same commit changes.
//!
//! What cannot be told apart, because Fanvue says too little:
//! - Two payments without an id, of one fan, kind, price and subject, made in the same millisecond, count as one. Only
//!   the older family leaves the id out.
//! - Two payments of one fan, kind and price within [`SAME_WITHIN`] count as one if each family told of another one of
//!   them, which takes two lost events; or if one names a message or post and the other leaves it out.
//! - A money event that names no fan belongs to no conversation and is dropped.

mod event;
mod same;
mod spend;
mod stage;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub(crate) use self::event::{fan_of, told_by};
pub use self::same::{FirstTelling, SAME_WITHIN, first_telling};
pub use self::spend::Spend;
pub use self::stage::Stage;
use crate::id::{ConversationId, MessageId, TransactionId};
use crate::money::{Cents, Currency};
use crate::text::text_newtype;
use crate::time::Timestamp;

/// One telling of money that moved, or of a subscription that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Transaction {
    /// Which; the same for each delivery of the event.
    pub id: TransactionId,
    /// Whose with whom.
    pub conversation: ConversationId,
    /// What happened.
    pub kind: TransactionKind,
    /// By which sort of event it was told.
    pub telling: Telling,
    /// What the fan paid, or got back; never negative. `None` if the event does not say.
    pub amount: Option<Cents>,
    /// What the creator gets of it, if the event says so.
    pub net: Option<Cents>,
    /// The currency; `None` if the event does not say, which means US dollars.
    pub currency: Option<Currency>,
    /// When it happened, by Fanvue's clock.
    pub at: Timestamp,
    /// When it was stored, by ours.
    pub stored_at: Timestamp,
    /// The message that was paid for or tipped, if any.
    pub message: Option<MessageId>,
    /// The post that was paid for or tipped, if any.
    pub post: Option<Uuid>,
    /// What Fanvue calls the payment, subscription, refund or dispute, if it has a name.
    pub reference: Option<Reference>,
    /// For a refund or a dispute: the payment, if the event names it. Its record may be missing.
    pub reverses: Option<TransactionId>,
    /// The first record of the same payment, if this is not it.
    pub same_as: Option<TransactionId>,
}

impl Transaction {
    /// What happened in a few words, such as `a tip of $5.00`: of what this library knows, nothing of anybody's text.
    #[must_use]
    pub fn in_words(&self) -> String {
        let what = match self.kind {
            TransactionKind::Tip => "a tip",
            TransactionKind::Purchase => "a purchase",
            TransactionKind::Subscription => "a new subscription",
            TransactionKind::Renewal => "a renewed subscription",
            TransactionKind::Cancellation => "a cancelled subscription",
            TransactionKind::Expiry => "a subscription that ended",
            TransactionKind::Refund => "a refund",
            TransactionKind::Dispute => "a disputed payment",
        };
        match (self.amount, self.currency.unwrap_or(Currency::USD)) {
            (None, _) => what.to_owned(),
            (Some(amount), Currency::USD) => format!("{what} of {amount}"),
            (Some(amount), currency) => {
                let (whole, rest) = (amount.get() / 100, amount.get() % 100);
                format!("{what} of {whole}.{rest:02} {currency}")
            }
        }
    }
}

/// What a [`Transaction`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransactionKind {
    /// A tip.
    Tip,
    /// A message, a post or something else was bought.
    Purchase,
    /// A subscription began.
    Subscription,
    /// Another period of a subscription was paid.
    Renewal,
    /// The fan decided to let the subscription run out.
    Cancellation,
    /// The subscription ended.
    Expiry,
    /// A payment went back.
    Refund,
    /// A payment is disputed with the card's bank. How that ends is not known.
    Dispute,
}

impl TransactionKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tip,
        Self::Purchase,
        Self::Subscription,
        Self::Renewal,
        Self::Cancellation,
        Self::Expiry,
        Self::Refund,
        Self::Dispute,
    ];

    /// The name as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tip => "tip",
            Self::Purchase => "purchase",
            Self::Subscription => "subscription",
            Self::Renewal => "renewal",
            Self::Cancellation => "cancellation",
            Self::Expiry => "expiry",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether the fan paid.
    #[must_use]
    pub const fn is_payment(self) -> bool {
        matches!(
            self,
            Self::Tip | Self::Purchase | Self::Subscription | Self::Renewal
        )
    }
}

/// By which sort of event a transaction was told. No sort tells of one payment twice, so that two records of one sort
/// are two payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Telling {
    /// A payment that has an id.
    Payment,
    /// A subscription that has an id; its price is mostly not told.
    Subscription,
    /// A payment or subscription without an id, as the older family tells.
    Unnamed,
    /// A refund or dispute.
    Reversal,
}

impl Telling {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Payment,
        Self::Subscription,
        Self::Unnamed,
        Self::Reversal,
    ];

    /// The name as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Subscription => "subscription",
            Self::Unnamed => "unnamed",
            Self::Reversal => "reversal",
        }
    }

    /// The telling with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|told| told.as_str() == name)
    }
}

text_newtype! {
    /// What Fanvue calls a payment, a subscription, a refund or a dispute.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Reference(Box<str>, cut at 200): Display;

    /// The reference of this name, cut to 200 bytes at a character boundary.
    new;

    /// The name.
    as_str;
}

/// The id of what these parts name: the same for the same parts, whoever works it out.
fn id_of(parts: &[&dyn fmt::Display]) -> TransactionId {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.to_string();
        hash.update(part.len().to_string());
        hash.update(b":");
        hash.update(part);
    }
    let mut id = [0; 16];
    for (byte, from) in id.iter_mut().zip(hash.finalize()) {
        *byte = from;
    }
    TransactionId::from_uuid(uuid::Builder::from_custom_bytes(id).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for kind in TransactionKind::ALL {
            assert_eq!(TransactionKind::from_name(kind.as_str()), Some(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
        for told in Telling::ALL {
            assert_eq!(Telling::from_name(told.as_str()), Some(told));
        }
        assert_eq!(TransactionKind::from_name("gift"), None);
        assert_eq!(Telling::from_name(""), None);
    }

    #[test]
    fn ids_of_different_parts_differ() {
        let parts = |parts: [&str; 2]| id_of(&[&parts[0], &parts[1]]);
        assert_eq!(parts(["payment", "p1"]), parts(["payment", "p1"]));
        assert_ne!(parts(["payment", "p1"]), parts(["paymentp", "1"]));
        assert_ne!(parts(["payment", "p1"]), parts(["refund", "p1"]));
    }
}
