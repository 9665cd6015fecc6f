//! Identifiers. Each is a newtype, so that a fan's id cannot be passed where a creator's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be a UUID such as 5b0f3c1e-0000-4000-8000-00000000c0de")]
pub struct ParseIdError {
    what: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError { what: $what })
            }
        }
    };
}

uuid_id!(
    /// A tenant of this deployment: one creator whose fans are answered.
    ///
    /// Ours, made at onboarding, and so known before the creator's Fanvue account is. Every row and
    /// every secret belongs to exactly one.
    CreatorId,
    "creator id"
);
uuid_id!(
    /// An agency whose one grant reaches the chats of several creators.
    ///
    /// Ours, made when the agency is first connected, and so known before its Fanvue account is.
    AgencyId,
    "agency id"
);
uuid_id!(
    /// A creator's account at Fanvue: the `uuid` of `GET /users/me`, which webhooks carry as
    /// `recipientUuid` or `data.creator.uuid`.
    AccountId,
    "account id"
);
uuid_id!(
    /// A fan: the user UUID that Fanvue gives, which also addresses the chat.
    ///
    /// The same person may write to several creators, so a fan is only meaningful beside a
    /// [`CreatorId`]; see [`ConversationId`].
    FanId,
    "fan id"
);
uuid_id!(
    /// A transaction in the [ledger](crate::ledger): ours, worked out from what Fanvue calls the payment.
    TransactionId,
    "transaction id"
);
uuid_id!(
    /// A message: the UUID that Fanvue gives.
    MessageId,
    "message id"
);
uuid_id!(
    /// A media item in a chat or vault, by Fanvue's UUID.
    MediaId,
    "media id"
);
uuid_id!(
    /// A list of fans that the creator keeps at Fanvue, by Fanvue's UUID.
    ListId,
    "list id"
);
uuid_id!(
    /// A message to many. Ours; whoever makes one draws it, so that making it again changes nothing.
    BroadcastId,
    "broadcast id"
);
uuid_id!(
    /// A job in the queue. Ours; version 7, so ids grow with time.
    JobId,
    "job id"
);

/// One creator's chat with one fan: the unit of ordering, of turns and of state.
///
/// Fanvue gives a chat no id of its own; it is addressed by the fan's UUID within the creator's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a conversation is exactly this pair"
)]
pub struct ConversationId {
    /// The tenant.
    pub creator: CreatorId,
    /// The fan.
    pub fan: FanId,
}

impl ConversationId {
    /// The conversation of `creator` with `fan`.
    #[must_use]
    pub const fn new(creator: CreatorId, fan: FanId) -> Self {
        Self { creator, fan }
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.creator, self.fan)
    }
}

/// The number of a turn within its conversation, counted from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TurnId(u64);

impl TurnId {
    /// The turn with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The turn after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_uuid_is_refused_by_name() {
        let error = "nobody".parse::<FanId>().unwrap_err();
        assert!(error.to_string().starts_with("fan id must be a UUID"));
    }

    #[test]
    fn an_id_reads_back_what_it_displays() {
        let id: MessageId = "3e550000-0000-4000-8000-000000000009".parse().unwrap();
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
    }
}
