//! A conversation as a row: its keys and the time to wake it as columns, the state as JSON.

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::store::StoreError;
use uuid::Uuid;

use super::{CorruptField, rejected};

#[derive(Clone)]
pub(crate) struct ConversationRow {
    pub(crate) creator: Uuid,
    pub(crate) fan: Uuid,
    pub(crate) wake_at: Option<i64>,
    pub(crate) state: String,
}

impl ConversationRow {
    pub(crate) fn from_domain(conversation: &Conversation) -> Result<Self, StoreError> {
        Ok(Self {
            creator: conversation.id.creator.as_uuid(),
            fan: conversation.id.fan.as_uuid(),
            wake_at: conversation.wake_at().map(|at| at.as_micros()),
            state: serde_json::to_string(conversation)
                .map_err(|_| rejected("conversation", "does not serialize"))?,
        })
    }

    /// The conversation in `state`, which must be the one with this id.
    pub(crate) fn state_into_domain(
        state: &str,
        id: ConversationId,
    ) -> Result<Conversation, CorruptField> {
        let conversation: Conversation = serde_json::from_str(state)
            .map_err(|_| CorruptField::new("conversations", "state", "a conversation"))?;
        if conversation.id == id {
            Ok(conversation)
        } else {
            Err(CorruptField::new(
                "conversations",
                "state",
                "the conversation of its row",
            ))
        }
    }
}
