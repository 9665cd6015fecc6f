//! Replies that wait for an operator, and what became of each.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::Reply;
use crate::flow::DraftId;
use crate::id::{MessageId, TurnId};
use crate::time::Timestamp;

/// So many drafts a conversation remembers; the oldest that is closed makes room. They are part of the
/// conversation's state, which each commit writes, so that a draft and what became of it are never apart, and
/// are erased with it.
pub const MOST_REMEMBERED: usize = 10;

/// The longest note, in characters: a few sentences, which leave the prompt to persona and history.
pub const LONGEST_NOTE: usize = 500;

/// A reply that was given to an operator to decide on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Draft {
    /// The turn that wrote it.
    pub turn: TurnId,
    /// The draft within the turn. Grows when an approved reply that did not go out is tried again.
    pub draft: u32,
    /// What the model wrote.
    pub written: Reply,
    /// What the operator made of it, if they changed it: the other half of the pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Reply>,
    /// What became of it.
    #[serde(flatten)]
    pub state: DraftState,
    /// When it was given to the operators.
    pub written_at: Timestamp,
    /// When its state became what it is, or its text was last edited.
    pub changed_at: Timestamp,
}

impl Draft {
    pub(crate) const fn new(id: DraftId, written: Reply, now: Timestamp) -> Self {
        Self {
            turn: id.turn,
            draft: id.draft,
            written,
            edited: None,
            state: DraftState::Pending,
            written_at: now,
            changed_at: now,
        }
    }

    /// By what an operator names it.
    #[must_use]
    pub const fn id(&self) -> DraftId {
        DraftId {
            turn: self.turn,
            draft: self.draft,
        }
    }

    /// What goes out, or would have: as edited, else as written.
    #[must_use]
    pub fn text(&self) -> &Reply {
        self.edited.as_ref().unwrap_or(&self.written)
    }
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DraftState {
    /// It waits for an operator.
    Pending,
    /// An operator changed it; it still waits for an approval.
    Edited,
    /// An operator approved it; it goes out once the chat has been read, unless something comes between.
    Approved,
    /// An operator does not want it.
    Rejected {
        /// Why, or what they asked the model for in its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Note>,
    },
    /// Nobody decided in time.
    Expired,
    /// It is no answer to the chat any more: the fan wrote again or took something back, a human answered,
    /// or the bot was kept out.
    Superseded,
    /// It went out.
    Sent {
        /// As this message.
        message: MessageId,
    },
    /// It was approved and could not be sent; the decision on the fan's message says why.
    Failed,
}

impl DraftState {
    /// Whether it may still go out.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Edited | Self::Approved)
    }

    /// The name under which it is stored.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Edited => "edited",
            Self::Approved => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Sent { .. } => "sent",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for DraftState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "it waits for an operator",
            Self::Edited => "an operator edited it, and nobody has approved it",
            Self::Approved => "it is approved",
            Self::Rejected { .. } => "it was rejected",
            Self::Expired => "nobody decided on it in time",
            Self::Superseded => "the chat went on without it",
            Self::Sent { .. } => "it was sent",
            Self::Failed => "it could not be sent",
        })
    }
}

/// A few words of an operator: why they reject a draft, or what they want in its place. `Debug` shows its
/// length and not its words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Note(Arc<str>);

impl Note {
    /// These words, without the white space around them.
    ///
    /// # Errors
    /// [`InvalidNote`] if nothing is left of them, or if they are longer than [`LONGEST_NOTE`].
    pub fn new(text: &str) -> Result<Self, InvalidNote> {
        let text = text.trim();
        let characters = text.chars().count();
        if (1..=LONGEST_NOTE).contains(&characters) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidNote { characters })
        }
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for Note {
    type Error = InvalidNote;

    fn try_from(text: String) -> Result<Self, InvalidNote> {
        Self::new(&text)
    }
}

impl From<Note> for String {
    fn from(note: Note) -> Self {
        note.0.as_ref().to_owned()
    }
}

/// A note is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the note has {characters} characters; it may have 1 to {LONGEST_NOTE}")]
#[non_exhaustive]
pub struct InvalidNote {
    /// How many it has, without the white space around it.
    pub characters: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_trimmed_and_neither_empty_nor_endless() {
        assert_eq!(Note::new("  shorter \n").unwrap().as_str(), "shorter");
        assert_eq!(Note::new(" \n"), Err(InvalidNote { characters: 0 }));
        assert!(Note::new(&"ä".repeat(LONGEST_NOTE)).is_ok());
        let long = Note::new(&"ä".repeat(LONGEST_NOTE + 1)).unwrap_err();
        assert_eq!(
            long.to_string(),
            "the note has 501 characters; it may have 1 to 500"
        );
    }

    #[test]
    fn a_draft_reads_back_in_every_state_and_shows_no_words() {
        let note = || Note::new("canary").ok();
        for state in [
            DraftState::Pending,
            DraftState::Edited,
            DraftState::Approved,
            DraftState::Rejected { reason: None },
            DraftState::Rejected { reason: note() },
            DraftState::Expired,
            DraftState::Superseded,
            DraftState::Sent {
                message: MessageId::from_uuid(uuid::Uuid::from_u128(7)),
            },
            DraftState::Failed,
        ] {
            let id = DraftId {
                turn: TurnId::new(3),
                draft: 2,
            };
            let draft = Draft {
                edited: Some(Reply::new("canary")),
                state,
                ..Draft::new(id, Reply::new("canary"), Timestamp::from_seconds(9))
            };
            let written = serde_json::to_string(&draft).unwrap();
            let name = draft.state.as_str();
            assert!(
                written.contains(&format!(r#""state":"{name}""#)),
                "{written}"
            );
            assert_eq!(serde_json::from_str::<Draft>(&written).unwrap(), draft);
            assert!(!format!("{draft:?} {}", draft.state).contains("canary"));
        }
    }
}
