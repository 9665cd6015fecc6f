//! The nudge of a silence: when it is due, what became of it, or why there is none.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::Outcome;
use crate::id::{MessageId, TurnId};
use crate::time::Timestamp;

/// The latest silence of the fan, and its one nudge.
///
/// A silence begins when a reply of ours goes out that answers something, and ends when anybody else writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct FollowUp {
    /// When our reply went out.
    pub since: Timestamp,
    /// What became of the nudge.
    pub state: FollowUpState,
    /// Since when.
    pub at: Timestamp,
}

/// What became of the nudge of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FollowUpState {
    /// It begins then, if the silence lasts.
    Due {
        /// When.
        until: Timestamp,
    },
    /// A turn sees to it.
    Open {
        /// Which turn.
        turn: TurnId,
    },
    /// It went out.
    Sent {
        /// As this message.
        message: MessageId,
    },
    /// There is none in this silence, for a reason of its own.
    Skipped {
        /// Why.
        why: NoFollowUp,
    },
    /// There is none in this silence, for what would have kept a reply from going out.
    Blocked {
        /// What that was.
        outcome: Outcome,
    },
}

/// Why there is no nudge in a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoFollowUp {
    /// The fan wrote, or is thanked for what they paid.
    Answered,
    /// They had said goodbye.
    Goodbye,
    /// They never wrote.
    NeverWrote,
    /// A human wrote or took the chat.
    Human,
    /// There was one too short a time before.
    TooSoon,
    /// It could not be sent when it was due, and came too late by now.
    TooLate,
    /// Follow-ups were switched off.
    SwitchedOff,
}

impl fmt::Display for NoFollowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "the fan wrote or paid",
            Self::Goodbye => "the fan had said goodbye",
            Self::NeverWrote => "the fan never wrote",
            Self::Human => "a human has the chat",
            Self::TooSoon => "there was one too short a time before",
            Self::TooLate => "it could not be sent in time",
            Self::SwitchedOff => "follow-ups are switched off",
        })
    }
}

impl fmt::Display for FollowUpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due { until } => write!(f, "due at {until}"),
            Self::Open { turn } => write!(f, "turn {turn} sees to it"),
            Self::Sent { message } => write!(f, "sent as message {message}"),
            Self::Skipped { why } => write!(f, "none: {why}"),
            Self::Blocked { outcome } => write!(f, "none: {outcome}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Conversation;

    /// What an older version stored has no silence in it, and what this one stores reads the same for ever.
    #[test]
    fn a_stored_state_reads_back_with_and_without_a_silence() {
        let older = include_str!("fixtures/before_follow_ups.json");
        let conversation: Conversation = serde_json::from_str(older).unwrap();
        assert_eq!(conversation.follow_up, None);
        assert_eq!((conversation.nudged_at, conversation.no_sell), (None, None));
        let turn = conversation.turn.as_ref().unwrap();
        assert_eq!(turn.purpose, crate::conversation::Purpose::Answer);
        let written = serde_json::to_value(&conversation).unwrap();
        let stored: serde_json::Value = serde_json::from_str(older).unwrap();
        assert_eq!(written, stored);

        for (stored, shown) in [
            (
                r#"{"since":"2026-01-01T10:00:00Z","state":{"is":"due","until":"2026-01-03T10:00:00Z"},"at":"2026-01-01T10:00:00Z"}"#,
                "due at 2026-01-03T10:00:00Z",
            ),
            (
                r#"{"since":"2026-01-01T10:00:00Z","state":{"is":"open","turn":3},"at":"2026-01-03T10:00:00Z"}"#,
                "turn 3 sees to it",
            ),
            (
                r#"{"since":"2026-01-01T10:00:00Z","state":{"is":"skipped","why":"never_wrote"},"at":"2026-01-01T10:00:00Z"}"#,
                "none: the fan never wrote",
            ),
            (
                r#"{"since":"2026-01-01T10:00:00Z","state":{"is":"blocked","outcome":{"outcome":"blocked","rule":"dry_run"}},"at":"2026-01-03T10:00:00Z"}"#,
                "none: blocked: dry run, the reply was not sent",
            ),
        ] {
            let read: FollowUp = serde_json::from_str(stored).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
            assert_eq!(read.state.to_string(), shown);
        }
    }
}
