//! Erasing what is held of one fan.

use super::{Engine, EngineError, Failure, Performed};
use crate::conversation::Erasure;
use crate::flow::Input;
use crate::id::ConversationId;
use crate::queue::Priority;
use crate::store::Erased;
use crate::time::Timestamp;

/// How many messages one transaction erases: few enough that whoever waits for it waits shortly.
const AT_ONCE: usize = 500;

impl Engine {
    /// Erases what is held of one fan of one creator: the state, the messages with their decisions, the names, the
    /// jobs and the notes of failures.
    ///
    /// In two steps. When this returns, the conversation is forgotten: no turn works on it any more, nothing that
    /// was sent up to now is taken in again, and a wake-up for the second step is stored with that. The rows are
    /// erased by whoever runs the wake-up, at [`Erasure::sends_until`]: at once, or, if a reply was just being sent,
    /// within a minute. [`Conversation::erasure`](crate::conversation::Conversation::erasure) tells when that is done.
    ///
    /// What stays is the row of the conversation, with the fan's id, the creator's, a revision and times. A fan who
    /// writes anew starts as new. Idempotent: again, it erases what came in since. May be dropped or killed at any
    /// point, and goes on by itself.
    ///
    /// # Errors
    /// [`EngineError::UnknownConversation`] if nothing is held of the fan; the store's and the queue's errors.
    pub async fn erase_fan(&self, id: ConversationId) -> Result<Erasure, EngineError> {
        // So that the inbox holds nothing of what was sent up to now.
        self.shared.intake.take_in_all_of(id).await?;
        let stepped = self
            .commit(id, &Input::Erase.into(), Some(Priority::default()))
            .await?;
        stepped
            .and_then(|stepped| stepped.conversation.erasure)
            .ok_or(EngineError::UnknownConversation)
    }

    /// Erases the rows, some at a time. Repeated after a crash, it goes on with what is left.
    pub(super) async fn erase_rows(
        &self,
        id: ConversationId,
        through: Timestamp,
    ) -> Result<Performed, Failure> {
        while self.backend().store().erase(id, through, AT_ONCE).await? == Erased::Some {}
        self.backend()
            .queue()
            .erase_lane(&id.into())
            .await
            .map_err(EngineError::from)?;
        if let Some(broadcasts) = self.backend().broadcasts_in() {
            broadcasts.forget_recipient(id).await?;
        }
        tracing::info!(creator.id = %id.creator, "a fan was erased");
        Ok(Input::Erased { through }.into())
    }
}
