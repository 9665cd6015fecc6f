//! Reading the chat: words that a webhook left out, a last look before sending, and what became of a send.

use super::{Engine, Failure, Performed, with_auth};
use crate::client::{ClientError, MessageQuery, RemoteMessage};
use crate::conversation::SendIntent;
use crate::creator::Creator;
use crate::flow::{DraftId, Input};
use crate::id::{ConversationId, MessageId};
use crate::intake::Arrival;
use crate::message::Content;
use crate::page::PageRequest;
use crate::time::Timestamp;

/// How many messages one look at a chat reads.
const LOOK: usize = 20;
/// How many pages a search for a send reads at most; more than that many messages since the send cannot
/// be the work of people.
const SEARCH_PAGES: usize = 10;

impl Engine {
    /// Reads the words of messages that came without.
    pub(super) async fn fetch(
        &self,
        creator: &Creator,
        id: ConversationId,
        messages: &[MessageId],
    ) -> Result<Performed, Failure> {
        let mut performed = Performed::default();
        for message in messages {
            match with_auth!(self, creator, |auth| self
                .shared
                .fanvue
                .message(&auth, id.fan, *message))
            {
                Ok(remote) => {
                    performed.contents.push((
                        *message,
                        Content {
                            fetched: true,
                            ..remote.content
                        },
                    ));
                }
                Err(ClientError::NotFound) => {
                    // One input at a time: the others are asked for again.
                    performed.input = Some(Input::Deleted { id: *message });
                    return Ok(performed);
                }
                Err(error) if performed.contents.is_empty() => return Err(error.into()),
                Err(error) => {
                    performed.failure = Some(error.into());
                    break;
                }
            }
        }
        performed.input = Some(Input::Wake);
        Ok(performed)
    }

    /// The last look before sending. What it brings up enters first, and may make the reply stale.
    pub(super) async fn read_before_send(
        &self,
        creator: &Creator,
        id: ConversationId,
        draft: DraftId,
    ) -> Result<Performed, Failure> {
        let read_at = self.now();
        let listed = self.list(creator, id, None).await?;
        let newest = listed.iter().filter_map(|message| message.sent_at).max();
        let mut performed = Performed::from(Input::ChatRead { draft, newest });
        // A process that froze here would otherwise send on the strength of an old look.
        performed.valid_until = Some(read_at + self.shared.intake.send_timing().settled_within);
        performed.arrivals = arrivals(&listed, creator, id);
        Ok(performed)
    }

    /// Looks for a reply of ours. If it is there, it enters as what it is and settles the send; if not,
    /// the flow is told.
    pub(super) async fn find_sent(
        &self,
        creator: &Creator,
        id: ConversationId,
        draft: DraftId,
        intent: &SendIntent,
    ) -> Result<Performed, Failure> {
        let listed = self.list(creator, id, intent.after).await?;
        let mut performed = Performed::from(Input::NotFound { draft });
        performed.arrivals = arrivals(&listed, creator, id);
        Ok(performed)
    }

    /// The newest messages of the chat, newest first; with `back_to`, all that were sent since.
    async fn list(
        &self,
        creator: &Creator,
        id: ConversationId,
        back_to: Option<Timestamp>,
    ) -> Result<Vec<RemoteMessage>, Failure> {
        let mut listed: Vec<RemoteMessage> = Vec::new();
        let mut query = MessageQuery::newest(LOOK);
        for _ in 0..SEARCH_PAGES {
            let page = match with_auth!(self, creator, |auth| self
                .shared
                .fanvue
                .messages(&auth, id.fan, &query))
            {
                Ok(page) => page,
                // A fan without a chat has written nothing.
                Err(ClientError::NotFound) => break,
                Err(error) => return Err(error.into()),
            };
            listed.extend(page.items);
            let oldest = listed.iter().filter_map(|message| message.sent_at).min();
            match (back_to, page.next) {
                (Some(back_to), Some(next)) if oldest.is_none_or(|oldest| oldest >= back_to) => {
                    query = MessageQuery::page(PageRequest::after(LOOK, next));
                }
                _ => break,
            }
        }
        Ok(listed)
    }
}

/// What a list says, oldest first.
fn arrivals(listed: &[RemoteMessage], creator: &Creator, id: ConversationId) -> Vec<Arrival> {
    listed
        .iter()
        .rev()
        .filter_map(|message| Arrival::listed(message, id, creator.account))
        .collect()
}
