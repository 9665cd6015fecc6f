//! Reading the chat: words that a webhook left out, a last look before sending, and what became of a send.

use super::{Engine, Failure, Performed, with_auth};
use crate::batch::Arrival;
use crate::client::{ClientError, MessageQuery, RemoteMessage};
use crate::conversation::SendIntent;
use crate::creator::Creator;
use crate::flow::{DraftId, Input};
use crate::id::{AccountId, ConversationId, MessageId};
use crate::message::{Content, Message};
use crate::page::PageRequest;
use crate::rate::Class;
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
        class: Class,
        messages: &[MessageId],
    ) -> Result<Performed, Failure> {
        let mut performed = Performed::default();
        for message in messages {
            match with_auth!(self, creator, class, |auth| self
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
                    // One at a time: the others are asked for again.
                    performed.deleted = Some(*message);
                    break;
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

    /// Reads the words of stored messages that came without, such as those of a human whose webhook left
    /// them out; the model is to know what was said in the creator's name. `None` if all are known.
    pub(super) async fn learn_words(
        &self,
        creator: &Creator,
        id: ConversationId,
        class: Class,
        stored: &[Message],
    ) -> Result<Option<Performed>, Failure> {
        let unknown: Vec<MessageId> = stored
            .iter()
            .filter(|message| !message.content.fetched && message.content.text.is_none())
            .map(|message| message.id)
            .take(LOOK)
            .collect();
        if unknown.is_empty() {
            return Ok(None);
        }
        let listed = self.list(creator, id, class, Until::Count(LOOK)).await?;
        let mut performed = Performed::from(Input::Wake);
        for message in unknown {
            let content = match listed.iter().find(|remote| remote.id == message) {
                Some(remote) => remote.content.clone(),
                None => match with_auth!(self, creator, class, |auth| self
                    .shared
                    .fanvue
                    .message(&auth, id.fan, message))
                {
                    Ok(remote) => remote.content,
                    // It is gone, and nothing more will be known of it.
                    Err(ClientError::NotFound) => Content::default(),
                    Err(error) => return Err(error.into()),
                },
            };
            performed.contents.push((
                message,
                Content {
                    fetched: true,
                    ..content
                },
            ));
        }
        Ok(Some(performed))
    }

    /// What the chat held before this library knew of it. The fan's messages that no human has answered
    /// enter as if they arrived now, since their webhooks may have been lost; older ones are kept as history.
    pub(super) async fn read_history(
        &self,
        creator: &Creator,
        id: ConversationId,
        class: Class,
    ) -> Result<Performed, Failure> {
        let most = creator.settings.history_limit;
        let listed = self.list(creator, id, class, Until::Count(most)).await?;
        let mut performed = Performed::from(Input::HistoryRead);
        performed.arrivals = arrivals(&listed, creator.account, id);
        let answered = performed
            .arrivals
            .iter()
            .rposition(Arrival::is_by_human)
            .unwrap_or(0);
        for arrival in &mut performed.arrivals[..answered] {
            arrival.is_history = true;
        }
        Ok(performed)
    }

    /// The last look before sending. What it brings up enters first, and may make the reply stale.
    pub(super) async fn read_before_send(
        &self,
        creator: &Creator,
        id: ConversationId,
        class: Class,
        draft: DraftId,
    ) -> Result<Performed, Failure> {
        let read_at = self.now();
        let listed = self.list(creator, id, class, Until::Count(LOOK)).await?;
        let newest = listed.iter().filter_map(|message| message.sent_at).max();
        let mut performed = Performed::from(Input::ChatRead { draft, newest });
        // A process that froze here would otherwise send on the strength of an old look.
        performed.valid_until = Some(read_at + self.shared.intake.send_timing().settled_within);
        performed.arrivals = arrivals(&listed, creator.account, id);
        Ok(performed)
    }

    /// Looks for a reply of ours. If it is there, it enters as what it is and settles the send; if not,
    /// the flow is told.
    pub(super) async fn find_sent(
        &self,
        creator: &Creator,
        id: ConversationId,
        class: Class,
        draft: DraftId,
        intent: &SendIntent,
    ) -> Result<Performed, Failure> {
        let listed = self
            .list(
                creator,
                id,
                class,
                intent.after.map_or(Until::Count(LOOK), Until::SentBefore),
            )
            .await?;
        let mut performed = Performed::from(Input::NotFound { draft });
        performed.arrivals = arrivals(&listed, creator.account, id);
        Ok(performed)
    }

    /// The newest messages of the chat, newest first, each once.
    pub(super) async fn list(
        &self,
        creator: &Creator,
        id: ConversationId,
        class: Class,
        until: Until,
    ) -> Result<Vec<RemoteMessage>, Failure> {
        let mut listed: Vec<RemoteMessage> = Vec::new();
        let mut query = MessageQuery::newest(LOOK);
        for _ in 0..SEARCH_PAGES {
            let page = match with_auth!(self, creator, class, |auth| self
                .shared
                .fanvue
                .messages(&auth, id.fan, &query))
            {
                Ok(page) => page,
                // A fan without a chat has written nothing.
                Err(ClientError::NotFound) => break,
                Err(error) => return Err(error.into()),
            };
            for message in page.items {
                // Pages overlap when something is written while they are read.
                if listed.iter().all(|known| known.id != message.id) {
                    listed.push(message);
                }
            }
            match page.next {
                Some(next) if !until.is_reached(&listed) => {
                    query = MessageQuery::page(PageRequest::after(LOOK, next));
                }
                _ => break,
            }
        }
        Ok(listed)
    }
}

/// How far back a list goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// So many messages, up to the end of a page.
    Count(usize),
    /// To the first that was sent before this.
    SentBefore(Timestamp),
}

impl Until {
    fn is_reached(self, listed: &[RemoteMessage]) -> bool {
        match self {
            Self::Count(most) => listed.len() >= most,
            Self::SentBefore(time) => listed
                .iter()
                .filter_map(|message| message.sent_at)
                .any(|sent_at| sent_at < time),
        }
    }
}

/// What a list says, oldest first.
pub(super) fn arrivals(
    listed: &[RemoteMessage],
    account: Option<AccountId>,
    id: ConversationId,
) -> Vec<Arrival> {
    listed
        .iter()
        .rev()
        .filter_map(|message| Arrival::listed(message, id, account))
        .collect()
}
