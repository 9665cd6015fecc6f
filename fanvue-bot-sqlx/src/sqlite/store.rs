//! The store: reads on the readers' pool, writes through the writer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AccountId, ConversationId, CreatorId, MessageId};
use fanvue_bot_core::message::Message;
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{Change, HolderId, Lease, LeaseName, Store, StoreError};
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::SqliteBackend;
use super::fault::Fault;
use super::sql::{Columns, Values, fetch};
use super::write::{Acquiring, Call, Op, Releasing};
use crate::cursor::MessageCursor;
use crate::row::{ContentRow, ConversationRow, CorruptField, CreatorRow, DecisionRow, MessageRow};

const CREATOR: &str =
    "SELECT creator_id, account_id, revision, profile FROM creators WHERE creator_id = ?1";

/// Crosses tenants: finds whose account it is.
const CREATOR_BY_ACCOUNT: &str =
    "SELECT creator_id, account_id, revision, profile FROM creators WHERE account_id = ?1";

const CONVERSATION: &str =
    "SELECT revision, state FROM conversations WHERE creator_id = ?1 AND fan_id = ?2";

const MESSAGE: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 AND id = ?3";

const NEWEST_MESSAGES: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 ORDER BY sent_at DESC, id DESC LIMIT ?3";

const OLDER_MESSAGES: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 AND (sent_at, id) < (?4, ?5) \
    ORDER BY sent_at DESC, id DESC LIMIT ?3";

/// The most messages of one page, so that no answer takes the memory of a whole chat.
const MOST_MESSAGES: usize = 1_000;

#[async_trait]
impl Store for SqliteBackend {
    async fn creator(&self, id: CreatorId) -> Result<Option<Versioned<Creator>>, StoreError> {
        let values = Values::default().id(id.as_uuid())?;
        one_creator(&fetch(self.readers(), CREATOR, values).await?)
    }

    async fn creator_by_account(
        &self,
        account: AccountId,
    ) -> Result<Option<Versioned<Creator>>, StoreError> {
        let values = Values::default().id(account.as_uuid())?;
        one_creator(&fetch(self.readers(), CREATOR_BY_ACCOUNT, values).await?)
    }

    async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError> {
        let values = key(id)?;
        let rows = fetch(self.readers(), CONVERSATION, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "conversations");
        let revision = revision(columns, 0)?;
        let state = ConversationRow::state_into_domain(&columns.text(1, "state")?, id)?;
        Ok(Some(Versioned::new(state, revision)))
    }

    async fn messages(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let after = match &page.after {
            Some(cursor) => Some(MessageCursor::decode(cursor, id)?),
            None => None,
        };
        let limit = page.limit.min(MOST_MESSAGES);
        if limit == 0 {
            return Ok(Page {
                items: Vec::new(),
                next: page.after.clone(),
            });
        }
        // One more than asked for tells whether there are more.
        let values = key(id)?.int(i64::try_from(limit + 1).unwrap_or(i64::MAX))?;
        let rows = match after {
            None => fetch(self.readers(), NEWEST_MESSAGES, values).await?,
            Some(after) => {
                let values = values.int(after.sent_at)?.id(after.id)?;
                fetch(self.readers(), OLDER_MESSAGES, values).await?
            }
        };
        let items = rows
            .iter()
            .take(limit)
            .map(|row| Ok(message(row, id)?.into_domain(id)?))
            .collect::<Result<Vec<Message>, StoreError>>()?;
        let next = match items.last() {
            Some(last) if rows.len() > limit => {
                let end = MessageCursor {
                    sent_at: last.sent_at.as_micros(),
                    id: last.id.as_uuid(),
                };
                Some(end.encode(id))
            }
            _ => None,
        };
        Ok(Page { items, next })
    }

    async fn message(
        &self,
        id: ConversationId,
        message_id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let values = key(id)?.id(message_id.as_uuid())?;
        let rows = fetch(self.readers(), MESSAGE, values).await?;
        match rows.first() {
            Some(row) => Ok(Some(message(row, id)?.into_domain(id)?)),
            None => Ok(None),
        }
    }

    async fn commit(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        self.commit_change(change, expected).await
    }

    async fn acquire_lease(
        &self,
        name: &LeaseName,
        holder: &HolderId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let args = Acquiring {
            name: name.clone(),
            holder: holder.clone(),
            now,
            ttl,
        };
        Call::make(self.inbox(), args, Op::Acquire).await
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        Call::make(self.inbox(), Releasing { lease }, Op::Release).await
    }
}

fn key(id: ConversationId) -> Result<Values, Fault> {
    Values::default()
        .id(id.creator.as_uuid())?
        .id(id.fan.as_uuid())
}

fn revision(columns: Columns<'_>, index: usize) -> Result<Revision, CorruptField> {
    let number = columns.int(index, "revision")?;
    u64::try_from(number)
        .map(Revision::new)
        .map_err(|_| columns.corrupt("revision", "a revision"))
}

fn one_creator(rows: &[SqliteRow]) -> Result<Option<Versioned<Creator>>, StoreError> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let columns = Columns::new(row, "creators");
    let creator = CreatorRow {
        creator: columns.id(0, "creator_id")?,
        account: columns.id_or_null(1, "account_id")?,
        profile: columns.text(3, "profile")?,
    };
    let revision = revision(columns, 2)?;
    Ok(Some(Versioned::new(creator.into_domain()?, revision)))
}

fn message(row: &SqliteRow, of: ConversationId) -> Result<MessageRow, CorruptField> {
    let columns = Columns::new(row, "messages");
    let decision = match (
        columns.text_or_null(13, "outcome")?,
        columns.text_or_null(14, "decision")?,
        columns.int_or_null(15, "decided_at")?,
    ) {
        (Some(outcome), Some(detail), Some(decided_at)) => Some(DecisionRow {
            outcome: outcome.into(),
            detail,
            decided_at,
        }),
        (None, None, None) => None,
        _ => return Err(columns.corrupt("decision", "whole")),
    };
    Ok(MessageRow {
        creator: of.creator.as_uuid(),
        fan: of.fan.as_uuid(),
        id: columns.id(0, "id")?,
        sent_at: columns.int(1, "sent_at")?,
        stored_at: columns.int(2, "stored_at")?,
        author: columns.text(3, "author")?.into(),
        kind: columns.text(4, "kind")?,
        content: ContentRow {
            text: columns.text_or_null(5, "text")?.map(Arc::from),
            media: columns.text_or_null(6, "media")?,
            has_media: columns.flag(7, "has_media")?,
            price_cents: columns.int_or_null(8, "price_cents")?,
            fetched: columns.flag(9, "fetched")?,
            tokenizer: columns.int_or_null(10, "tokenizer")?,
            tokens: columns.int_or_null(11, "tokens")?,
        },
        turn: columns.int_or_null(12, "turn")?,
        decision,
    })
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    CREATOR,
    CREATOR_BY_ACCOUNT,
    CONVERSATION,
    MESSAGE,
    NEWEST_MESSAGES,
    OLDER_MESSAGES,
];
