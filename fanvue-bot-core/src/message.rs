//! Messages of a conversation, as they are stored and shown to the model.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::id::{ConversationId, MediaId, MessageId, TurnId};
use crate::money::Cents;
use crate::time::Timestamp;

/// The kind of a message as Fanvue names it (`type`, `message_type`). Open: Fanvue adds kinds.
///
/// Source: fanvue API reference, "message type", February 2026.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// `SINGLE_RECIPIENT`: a normal message, typed by a person or sent through the API.
    SingleRecipient,
    /// `TIP`: the fan tipped.
    Tip,
    /// `LOCKED_MESSAGE_UNLOCKED`: the fan bought a paid message.
    LockedMessageUnlocked,
    /// `BROADCAST`: a mass message.
    Broadcast,
    /// `AUTOMATED_…`: Fanvue's own automation, sent in the creator's name. Holds the full name.
    Automated(Box<str>),
    /// `CHAT_TEXT_…`: written by a person with Fanvue's AI helper. Holds the full name.
    Assisted(Box<str>),
    /// `GHOST_PROMOTION`, `MARKETING_KYC`, `VOICE_CALL`: from the platform, not part of the talk. Holds
    /// the full name.
    Platform(Box<str>),
    /// Any other name.
    Other(Box<str>),
}

impl MessageType {
    /// The type with this name on the wire.
    #[must_use]
    pub fn from_wire(name: &str) -> Self {
        match name {
            "SINGLE_RECIPIENT" => Self::SingleRecipient,
            "TIP" => Self::Tip,
            "LOCKED_MESSAGE_UNLOCKED" => Self::LockedMessageUnlocked,
            "BROADCAST" => Self::Broadcast,
            "GHOST_PROMOTION" | "MARKETING_KYC" | "VOICE_CALL" => Self::Platform(name.into()),
            _ if name.starts_with("AUTOMATED_") => Self::Automated(name.into()),
            _ if name.starts_with("CHAT_TEXT_") => Self::Assisted(name.into()),
            _ => Self::Other(name.into()),
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        match self {
            Self::SingleRecipient => "SINGLE_RECIPIENT",
            Self::Tip => "TIP",
            Self::LockedMessageUnlocked => "LOCKED_MESSAGE_UNLOCKED",
            Self::Broadcast => "BROADCAST",
            Self::Automated(name)
            | Self::Assisted(name)
            | Self::Platform(name)
            | Self::Other(name) => name,
        }
    }

    /// Whether a person did not type it: Fanvue's automation, a mass message or the platform. Such a
    /// message is never answered and never taken for a human who took over.
    #[must_use]
    pub const fn is_unattended(&self) -> bool {
        matches!(
            self,
            Self::Automated(_) | Self::Broadcast | Self::Platform(_)
        )
    }
}

impl Serialize for MessageType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

impl<'de> Deserialize<'de> for MessageType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from_wire(&name))
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Author {
    /// The fan: inbound.
    Fan,
    /// This library, in the creator's name.
    Bot,
    /// The creator or their team, by hand.
    Human,
    /// Fanvue's automation, a mass message, or the platform.
    Automation,
}

impl Author {
    /// The name under which it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::Bot => "bot",
            Self::Human => "human",
            Self::Automation => "automation",
        }
    }

    /// The author stored under `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Fan, Self::Bot, Self::Human, Self::Automation]
            .into_iter()
            .find(|author| author.as_str() == name)
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message says.
///
/// `Debug` shows the length and not the words: a fan's words never reach a log.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Content {
    /// The words; `None` for a message of media only, and until [`Content::fetched`] for a webhook
    /// that left them out.
    pub text: Option<Arc<str>>,
    /// Media ids, as far as known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaId>,
    /// Whether media is attached, also when its ids are unknown.
    #[serde(default)]
    pub has_media: bool,
    /// The price of locked media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Cents>,
    /// Whether all of this came from a source that always carries the words. A webhook may leave them
    /// out, in which case the message must be read from the API before it can be answered.
    pub fetched: bool,
}

impl Content {
    /// A message of words only.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: Some(text.into()),
            fetched: true,
            ..Self::default()
        }
    }

    /// What is left of a message that was deleted: nothing, and nothing more to fetch.
    #[must_use]
    pub const fn erased() -> Self {
        Self {
            text: None,
            media: Vec::new(),
            has_media: false,
            price: None,
            fetched: true,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("text_bytes", &self.text.as_ref().map(|text| text.len()))
            .field("media", &self.media.len())
            .field("has_media", &self.has_media)
            .field("price", &self.price)
            .field("fetched", &self.fetched)
            .finish()
    }
}

/// A count of tokens and the tokenizer that made it, so that a change of model recounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct TokenCount {
    /// Which tokenizer; see `prompt::TokenCounter::id`.
    pub tokenizer: u32,
    /// How many tokens.
    pub tokens: u32,
}

/// One stored message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Message {
    /// Fanvue's id.
    pub id: MessageId,
    /// Whose chat it stands in.
    pub conversation: ConversationId,
    /// Who wrote it.
    pub author: Author,
    /// Fanvue's kind.
    pub kind: MessageType,
    /// What it says.
    pub content: Content,
    /// When it was sent, by Fanvue's clock where it said so.
    pub sent_at: Timestamp,
    /// When it was stored here.
    pub stored_at: Timestamp,
    /// Its length in tokens.
    pub tokens: Option<TokenCount>,
    /// For a reply of ours: the turn it belongs to.
    pub turn: Option<TurnId>,
    /// For a fan's message: what became of it. `None` for all others.
    pub decision: Option<Decision>,
    /// When it was deleted on Fanvue. A deleted message stays listed, with nothing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Message {
    /// Marks the message as deleted at `at`, or earlier if it was, and erases what it says.
    pub fn delete(&mut self, at: Timestamp) {
        self.content = Content::erased();
        self.tokens = None;
        self.deleted_at = Some(self.deleted_at.map_or(at, |before| before.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_keeps_its_name() {
        for name in [
            "SINGLE_RECIPIENT",
            "TIP",
            "AUTOMATED_RENEWED",
            "CHAT_TEXT_REPLY",
            "VOICE_CALL",
            "NEW_THING",
        ] {
            assert_eq!(MessageType::from_wire(name).as_wire(), name);
        }
    }

    #[test]
    fn what_is_erased_is_empty_and_known_to_be() {
        let expected = Content {
            fetched: true,
            ..Content::default()
        };
        assert_eq!(Content::erased(), expected);
    }

    #[test]
    fn debug_shows_no_words() {
        assert!(!format!("{:?}", Content::text("my secret")).contains("secret"));
    }
}
