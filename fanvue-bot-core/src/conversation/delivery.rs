//! What a fan got of broadcasts, and what is on its way to them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{BroadcastId, MediaId, MessageId, TurnId};
use crate::money::Cents;
use crate::time::Timestamp;

/// So many broadcasts a conversation remembers; the oldest that is closed makes room. What became of one is noted
/// with the broadcast long before that.
pub const MOST_DELIVERIES: usize = 16;

/// One broadcast and one fan.
///
/// Part of the conversation's state, which each commit writes: whoever asks for the same broadcast again finds it
/// here, and nothing goes out twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Delivery {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// What became of it.
    pub state: DeliveryState,
    /// Since when.
    pub at: Timestamp,
}

/// What became of a broadcast for one fan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryState {
    /// A turn sees to it; the words are there.
    Open {
        /// Which turn.
        turn: TurnId,
        /// The creator's media that go with the words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        media: Vec<MediaId>,
        /// What the media cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Cents>,
        /// Nothing goes out if anything was said in the chat so short a time ago.
        #[serde(with = "crate::settings::millis")]
        rest: Duration,
    },
    /// It went out.
    Sent {
        /// As this message.
        message: MessageId,
    },
    /// It did not go out and will not.
    Skipped {
        /// Why.
        why: Skip,
    },
    /// It did not go out, because of what Fanvue or the deployment answered.
    Failed {
        /// Why, in words for an operator.
        cause: Box<str>,
    },
}

/// Why a fan does not get a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Skip {
    /// They are in a list that the segment leaves out, or their activity is not what it asks for.
    NotInSegment,
    /// They want no automatic messages.
    OptedOut,
    /// Something they said stopped automatic messages: they may be a minor or in a crisis.
    Stopped,
    /// What was held of them was erased.
    Erased,
    /// The creator is not active.
    CreatorInactive,
    /// The mode is off, for the creator, the fan or the deployment.
    ModeOff,
    /// In a dry run nothing goes out.
    DryRun,
    /// A human has the chat.
    Human,
    /// They wrote and are to be answered, or an answer is being written.
    InConversation,
    /// It costs something, and nothing is sold to them for a while.
    NoSell,
    /// Something was said in the chat too short a time ago.
    SpokenTo,
    /// Fanvue says that they cannot be written to.
    NotContactable,
    /// The broadcast was cancelled before it came to them.
    Cancelled,
}

impl Skip {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 13] = [
        Self::NotInSegment,
        Self::OptedOut,
        Self::Stopped,
        Self::Erased,
        Self::CreatorInactive,
        Self::ModeOff,
        Self::DryRun,
        Self::Human,
        Self::InConversation,
        Self::NoSell,
        Self::SpokenTo,
        Self::NotContactable,
        Self::Cancelled,
    ];

    /// Its name, as it is stored and counted by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotInSegment => "not_in_segment",
            Self::OptedOut => "opted_out",
            Self::Stopped => "stopped",
            Self::Erased => "erased",
            Self::CreatorInactive => "creator_inactive",
            Self::ModeOff => "mode_off",
            Self::DryRun => "dry_run",
            Self::Human => "human",
            Self::InConversation => "in_conversation",
            Self::NoSell => "no_sell",
            Self::SpokenTo => "spoken_to",
            Self::NotContactable => "not_contactable",
            Self::Cancelled => "cancelled",
        }
    }

    /// The cause with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|skip| skip.as_str() == name)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_stored_and_counted_by_the_same_name() {
        for skip in Skip::ALL {
            let stored = serde_json::to_string(&skip).unwrap();
            assert_eq!(stored, format!("\"{skip}\""));
            assert_eq!(Skip::from_name(skip.as_str()), Some(skip));
        }
    }
}
