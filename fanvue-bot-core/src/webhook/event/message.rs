//! Events of the chat itself.

use std::fmt;

use crate::id::MessageId;
use crate::message::{Content, MessageType};
use crate::time::Timestamp;

use crate::fan::FanProfile;

/// A message that a fan received or wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageEvent {
    /// The fan whose chat it stands in, whoever wrote it.
    pub fan: FanProfile,
    /// The message.
    pub message: MessageId,
    /// What it says. [`Content::fetched`] is false when the event left the words out; the message must
    /// then be read from the API before it can be answered.
    pub content: Content,
    /// Fanvue's kind; [`MessageType::SingleRecipient`] when the event does not say.
    pub message_type: MessageType,
    /// Whether Fanvue says that its own automation wrote it; false when the event does not say.
    pub is_automated: bool,
    /// Whether the creator muted this chat; `None` when the event does not say.
    pub is_muted: Option<bool>,
    /// When it was sent; the event's own time when the message's is not given.
    pub sent_at: Option<Timestamp>,
}

impl MessageEvent {
    /// Whether no person typed it: such a message is not answered, and is not a human taking over.
    #[must_use]
    pub const fn is_unattended(&self) -> bool {
        self.is_automated || self.message_type.is_unattended()
    }
}

/// Which side of a chat wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a chat has two sides")]
pub enum Sender {
    /// The fan.
    Fan,
    /// The creator, or whoever writes in their name.
    Creator,
}

/// A message was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageDeleted {
    /// The fan whose chat it stood in.
    pub fan: FanProfile,
    /// The message.
    pub message: MessageId,
    /// Who had written it, if given.
    pub sender: Option<Sender>,
    /// When; the event's own time when not given.
    pub deleted_at: Option<Timestamp>,
}

/// A chat was read. Which side read it is not known for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageRead {
    /// The fan whose chat it is, if given.
    pub fan: Option<FanProfile>,
    /// How many messages remain unread, if given.
    pub unread: Option<u64>,
    /// How many were read, if given.
    pub read: Option<u64>,
}

/// A reaction to a message. `Debug` does not show the emoji.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaction {
    /// The message, if given.
    pub message: Option<MessageId>,
    /// The fan who reacted; `None` when the creator did, or it is not given.
    pub fan: Option<FanProfile>,
    /// The emoji's name or the emoji.
    pub emoji: Option<Box<str>>,
}

impl fmt::Debug for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaction")
            .field("message", &self.message)
            .field("fan", &self.fan)
            .finish_non_exhaustive()
    }
}
