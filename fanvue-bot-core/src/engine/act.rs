//! What operators do about a conversation.

use super::{Engine, EngineError, Performed};
use crate::conversation::{Conversation, Reply};
use crate::flow::{Acted, DraftId, Input, OperatorAction};
use crate::id::ConversationId;
use crate::prompt::check::LONGEST_TEXT;
use crate::queue::Priority;

/// What came of an operator's action, and how things stand since.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain result")]
pub struct Answered {
    /// What came of it.
    pub acted: Acted,
    /// The conversation as it is then.
    pub conversation: Conversation,
}

impl Engine {
    /// Does what an operator asks for, and answers what came of it. What follows, such as sending an approved
    /// reply, is enqueued in the same commit.
    ///
    /// The text that an operator makes of a draft is held to the same policy as the model's.
    ///
    /// Safe to repeat after an error: what was done the first time is answered as [`Acted::Unchanged`] or
    /// [`Acted::TooLate`].
    ///
    /// # Errors
    /// [`EngineError::UnknownConversation`]; [`EngineError::InvalidText`] for an edited reply that is
    /// empty or longer than 5000 characters; [`EngineError::ForbiddenText`] for one that the policy layer
    /// forbids; [`EngineError::InvalidSettings`] for overrides that
    /// [`Overrides::validate`](crate::settings::Overrides::validate) refuses; the store's and the queue's
    /// errors. Nothing is changed then.
    pub async fn act(
        &self,
        id: ConversationId,
        action: OperatorAction,
    ) -> Result<Answered, EngineError> {
        match &action {
            OperatorAction::Approve {
                edited: Some(text), ..
            }
            | OperatorAction::Edit { text, .. } => self.may_send(text)?,
            OperatorAction::Override(overrides) => overrides.validate()?,
            _ => {}
        }
        let priority = match action {
            OperatorAction::Approve { .. } => Priority::ApprovedDraft,
            _ => Priority::default(),
        };
        self.shared.intake.take_in_all_of(id).await?;
        let performed = Performed::from(Input::Operator(action));
        let stepped = self.commit(id, &performed, Some(priority)).await?;
        let stepped = stepped.ok_or(EngineError::UnknownConversation)?;
        Ok(Answered {
            acted: stepped.acted.unwrap_or(Acted::Unchanged),
            conversation: stepped.conversation,
        })
    }

    /// Approves each of these drafts as it is, one after the other, and answers for each in the same order.
    /// One that fails stops none of the others.
    ///
    /// Dropped halfway, those before are approved and the rest are not; calling it again approves the rest.
    pub async fn approve_each(
        &self,
        drafts: &[(ConversationId, DraftId)],
    ) -> Vec<Result<Answered, EngineError>> {
        let mut answers = Vec::with_capacity(drafts.len());
        for (id, draft) in drafts {
            let approve = OperatorAction::Approve {
                draft: *draft,
                edited: None,
            };
            answers.push(self.act(*id, approve).await);
        }
        answers
    }

    fn may_send(&self, text: &Reply) -> Result<(), EngineError> {
        let text = text.text();
        let characters = text.chars().count();
        if text.trim().is_empty() || characters > LONGEST_TEXT {
            return Err(EngineError::InvalidText {
                reason: format!(
                    "it has {characters} characters; a message has 1 to {LONGEST_TEXT}"
                ),
            });
        }
        let policy = &*self.shared.draft_check;
        match policy.violation(text) {
            None => Ok(()),
            Some(violation) => Err(EngineError::ForbiddenText {
                violation,
                place: crate::policy::place(policy, text),
            }),
        }
    }
}
