//! The send itself, whose intent is committed already.

use super::failure::Remedy;
use super::{Engine, Failure, Performed};
use crate::ceiling::Ceiling;
use crate::client::{Auth, ClientError, OutgoingMessage};
use crate::conversation::{Conversation, DeliveryState, Reply};
use crate::creator::Creator;
use crate::decision::{Outcome, Rule};
use crate::flow::{DraftId, Input};
use crate::id::{ConversationId, MessageId};
use crate::oauth::TokenError;
use crate::pulse::{Part, Trouble};
use crate::queue::FailureNote;
use crate::rate::Class;
use crate::retry::Retry;
use crate::store::StoreError;
use crate::time::Timestamp;
use std::sync::Arc;

impl Engine {
    /// Sends, now or not at all. Every failure is an outcome for the flow; none leaves the intent open.
    pub(super) async fn send(
        &self,
        creator: &Creator,
        conversation: &Conversation,
        class: Class,
        draft: DraftId,
        reply: &Reply,
        begin_by: Timestamp,
    ) -> Performed {
        let message = outgoing(conversation, draft, reply);
        let auth = match self.shared.tokens.auth(creator).await {
            Ok(auth) => auth.class(class),
            Err(error) => return not_sent(draft, error.into()),
        };
        match self.try_send(&auth, conversation, &message, begin_by).await {
            // Not executed, so once more with a new token is no repetition.
            Err(SendError::Client(ClientError::Unauthorized)) => {
                match self.shared.tokens.renew(creator, &auth).await {
                    Ok(auth) => outcome(
                        creator,
                        draft,
                        self.now(),
                        self.try_send(&auth.class(class), conversation, &message, begin_by)
                            .await,
                    ),
                    Err(error) => not_sent(draft, error.into()),
                }
            }
            result => outcome(creator, draft, self.now(), result),
        }
    }

    async fn try_send(
        &self,
        auth: &Auth,
        conversation: &Conversation,
        message: &OutgoingMessage,
        begin_by: Timestamp,
    ) -> Result<MessageId, SendError> {
        let id = conversation.id;
        // It may have been stopped since the intent was committed, by a call that has returned.
        let ceiling = Ceiling::read(&**self.backend().store()).await;
        if ceiling.map_err(SendError::Store)?.is_stopped() {
            return Err(SendError::Stopped);
        }
        let held = auth.class == Class::Broadcast
            && self
                .held_broadcast(conversation)
                .await
                .map_err(SendError::Store)?
                .is_some();
        if held {
            return Err(SendError::Stopped);
        }
        // After this another worker may search for the outcome, and must not be overtaken by the send.
        if self.now() > begin_by {
            return Err(SendError::TooLate);
        }
        let mut sent = self.shared.fanvue.send_message(auth, id.fan, message).await;
        // Nothing went out. Where nobody has written yet there is no chat, which Fanvue tells as if the fan could not
        // be written to; opening one tells whether they can.
        let no_chat = matches!(
            sent,
            Err(ClientError::NotFound | ClientError::NotContactable)
        );
        if no_chat && auth.class == Class::Broadcast {
            sent = match self.shared.fanvue.create_chat(auth, id.fan).await {
                Ok(()) if self.now() <= begin_by => {
                    self.shared.fanvue.send_message(auth, id.fan, message).await
                }
                Ok(()) => return Err(SendError::TooLate),
                // That a chat may have been opened is no message.
                Err(ClientError::OutcomeUnknown { source }) => {
                    Err(ClientError::Unavailable { source })
                }
                Err(error) => Err(error),
            };
        }
        match &sent {
            Ok(_) => self.works(id.creator, Part::Fanvue),
            Err(error) => {
                if let Some(trouble) = Trouble::of_fanvue(error) {
                    self.fails(id.creator, Part::Fanvue, trouble);
                }
            }
        }
        sent.map_err(SendError::Client)
    }

    /// Best effort: an unread mark that stays costs nobody anything.
    pub(super) async fn mark_read(&self, creator: &Creator, id: ConversationId) {
        let result: Result<(), Failure> = async {
            let auth = self
                .shared
                .tokens
                .auth(creator)
                .await
                .map_err(|error: TokenError| Failure::from(error))?;
            let auth = auth.class(Class::Poll);
            self.shared.fanvue.mark_read(&auth, id.fan).await?;
            Ok(())
        }
        .await;
        if let Err(failure) = result {
            tracing::debug!(creator.id = %creator.id, cause = %failure.note, "the chat could not be marked as read");
        }
    }
}

/// What goes out: the words, and with a broadcast what goes with them.
fn outgoing(conversation: &Conversation, draft: DraftId, reply: &Reply) -> OutgoingMessage {
    let mut message = OutgoingMessage::text(Arc::clone(reply.text()));
    for delivery in &conversation.deliveries {
        if let DeliveryState::Open {
            turn, media, price, ..
        } = &delivery.state
            && *turn == draft.turn
        {
            message.media.clone_from(media);
            message.price = *price;
        }
    }
    message
}

enum SendError {
    TooLate,
    Stopped,
    Store(StoreError),
    Client(ClientError),
}

fn outcome(
    creator: &Creator,
    draft: DraftId,
    now: Timestamp,
    result: Result<MessageId, SendError>,
) -> Performed {
    match result {
        Ok(message) => Input::Sent {
            draft,
            message,
            sent_at: now,
        }
        .into(),
        Err(SendError::TooLate | SendError::Stopped) => Input::NotSent { draft }.into(),
        Err(SendError::Store(error)) => not_sent(draft, error.into()),
        Err(SendError::Client(error)) => match error {
            ClientError::NotContactable => Input::SendRefused {
                draft,
                outcome: Outcome::Blocked {
                    rule: Rule::NotContactable,
                },
            }
            .into(),
            ClientError::OutcomeUnknown { .. } | ClientError::Malformed { .. } => {
                tracing::warn!(creator.id = %creator.id, error = %FailureNote::from_error(&error), "fanvue gave no definite answer to a send");
                Input::SendUnclear { draft }.into()
            }
            error => {
                let failure = Failure::from(error);
                if !matches!(failure.remedy, Remedy::Retry(Retry::Never)) {
                    return not_sent(draft, failure);
                }
                let cause = failure.note.as_str().into();
                Input::SendRefused {
                    draft,
                    outcome: Outcome::Failed { cause },
                }
                .into()
            }
        },
    }
}

fn not_sent(draft: DraftId, failure: Failure) -> Performed {
    Performed {
        failure: Some(failure),
        ..Input::NotSent { draft }.into()
    }
}
