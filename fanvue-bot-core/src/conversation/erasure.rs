//! What stays of a conversation that was erased: times, and nothing of anybody's words or names.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// That a conversation was erased, and up to where.
///
/// It stays for as long as the creator does, in the state of the conversation: Fanvue still shows the messages, so
/// without it the next look at the chat would bring back what was erased. The row that it is in is known by the
/// fan's id, which is a number that Fanvue drew and that means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Erasure {
    /// Nothing that was sent at or before this is stored any more, nor taken in again. What the fan sends later
    /// begins a new conversation.
    pub through: Timestamp,
    /// A send of ours that was under way has ended by this time, and what went out until then in the creator's
    /// name is not taken in either. The rows are erased from this time on.
    pub sends_until: Timestamp,
    /// When the last row was erased; `None` while some may be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Erasure {
    /// From when on the rows are to be erased, if some may be left.
    #[must_use]
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.finished_at {
            None => Some(self.sends_until),
            Some(_) => None,
        }
    }

    /// Whether a message of the fan that was sent at `sent_at` is among what was erased.
    #[must_use]
    pub fn covers_fan(&self, sent_at: Timestamp) -> bool {
        sent_at <= self.through
    }

    /// The same for a message in the creator's name.
    #[must_use]
    pub fn covers_creator(&self, sent_at: Timestamp) -> bool {
        sent_at <= self.sends_until.max(self.through)
    }
}
