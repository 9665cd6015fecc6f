//! The store: each read is one call of a function, writes are intakes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{AccountId, ConversationId, CreatorId, FanId, MessageId, TransactionId};
use fanvue_bot_core::ledger::Transaction;
use fanvue_bot_core::message::Message;
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{
    Change, Due, Erased, HolderId, Lease, LeaseName, RegisterName, Store, StoreError,
};
use fanvue_bot_core::time::Timestamp;
use sqlx::postgres::PgRow;

use super::PostgresBackend;
use super::claim::lease_micros;
use super::fault::Fault;
use super::sql::{Columns, Database, Values};
use crate::cursor::{DueCursor, MessageCursor, TransactionCursor};
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{
    ContentRow, ConversationRow, CorruptField, CreatorRow, DecisionRow, FanRow, MessageRow,
    TransactionRow,
};

const CREATOR: &str =
    "SELECT creator_id, account_id, revision, profile FROM fanvue_bot.creator($1)";

const CREATOR_BY_ACCOUNT: &str =
    "SELECT creator_id, account_id, revision, profile FROM fanvue_bot.creator_by_account($1)";

const CREATORS: &str = "SELECT creator_id FROM fanvue_bot.creators_after($1, $2)";

const CONVERSATION: &str = "SELECT revision, state FROM fanvue_bot.conversation($1, $2)";

const FAN: &str = "SELECT handle, display_name, nickname FROM fanvue_bot.fan($1, $2)";

const MESSAGE: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at, deleted_at \
    FROM fanvue_bot.message($1, $2, $3)";

const MESSAGES: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at, deleted_at \
    FROM fanvue_bot.messages_after($1, $2, $3, $4, $5)";

const TRANSACTION: &str = "\
    SELECT id, kind, telling, amount_cents, net_cents, currency, at, stored_at, message_id, post_id, \
    reference, reverses, same_as FROM fanvue_bot.transaction($1, $2, $3)";

const TRANSACTIONS: &str = "\
    SELECT id, kind, telling, amount_cents, net_cents, currency, at, stored_at, message_id, post_id, \
    reference, reverses, same_as FROM fanvue_bot.transactions_after($1, $2, $3, $4, $5)";

const DUE: &str =
    "SELECT creator_id, fan_id, wake_at FROM fanvue_bot.due_after($1, $2, $3, $4, $5, $6)";

const ERASE: &str = "SELECT fanvue_bot.erase_messages($1, $2, $3, $4)";

const MARK_ERASED: &str = "SELECT fanvue_bot.mark_erased($1)";

const ERASE_CREATOR: &str = "SELECT fanvue_bot.erase_creator($1, $2)";

const ACQUIRE: &str = "SELECT fence, until FROM fanvue_bot.acquire_lease($1, $2, $3, $4)";

const RELEASE: &str = "SELECT fanvue_bot.release_lease($1, $2, $3)";

const REGISTER: &str = "SELECT revision, value FROM fanvue_bot.register($1)";

const SET_REGISTER: &str = "SELECT fanvue_bot.set_register($1, $2, $3)";

/// The most items of one page, so that no answer takes the memory of a whole list.
pub(super) const MOST_ITEMS: usize = 1_000;

#[async_trait]
impl Store for PostgresBackend {
    async fn creator(&self, id: CreatorId) -> Result<Option<Versioned<Creator>>, StoreError> {
        let values = Values::default().add(id.as_uuid())?;
        one_creator(&self.database().call(CREATOR, values).await?)
    }

    async fn creator_by_account(
        &self,
        account: AccountId,
    ) -> Result<Option<Versioned<Creator>>, StoreError> {
        let values = Values::default().add(account.as_uuid())?;
        one_creator(&self.database().call(CREATOR_BY_ACCOUNT, values).await?)
    }

    async fn creator_ids(
        &self,
        after: Option<CreatorId>,
        limit: usize,
    ) -> Result<Vec<CreatorId>, StoreError> {
        let values = Values::default()
            .add(after.map(|after| after.as_uuid()))?
            .add(i64::try_from(limit).unwrap_or(i64::MAX))?;
        let rows = self.database().call(CREATORS, values).await?;
        rows.iter()
            .map(|row| {
                let id = Columns::new(row, "creators").get(0, "creator_id")?;
                Ok(CreatorId::from_uuid(id))
            })
            .collect()
    }

    async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError> {
        let rows = self.database().call(CONVERSATION, key(id)?).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "conversations");
        let revision = revision(columns, 0)?;
        let state = ConversationRow::state_into_domain(columns.get(1, "state")?, id)?;
        Ok(Some(Versioned::new(state, revision)))
    }

    async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError> {
        let rows = self.database().call(FAN, key(id)?).await?;
        match rows.first() {
            Some(row) => Ok(Some(fan(row, id)?.into_domain())),
            None => Ok(None),
        }
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
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = key(id)?
            .add(one_more_than(limit))?
            .add(after.map(|after| after.sent_at))?
            .add(after.map(|after| after.id))?;
        let rows = self.database().call(MESSAGES, values).await?;
        let item = |row: &_| Ok(message(row, id)?.into_domain(id)?);
        page_of(&rows, limit, item, |last| {
            MessageCursor::at(last).encode(id)
        })
    }

    async fn message(
        &self,
        id: ConversationId,
        message_id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let values = key(id)?.add(message_id.as_uuid())?;
        let rows = self.database().call(MESSAGE, values).await?;
        match rows.first() {
            Some(row) => Ok(Some(message(row, id)?.into_domain(id)?)),
            None => Ok(None),
        }
    }

    async fn transactions(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Transaction>, StoreError> {
        let after = match &page.after {
            Some(cursor) => Some(TransactionCursor::decode(cursor, id)?),
            None => None,
        };
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = key(id)?
            .add(one_more_than(limit))?
            .add(after.map(|after| after.at))?
            .add(after.map(|after| after.id))?;
        let rows = self.database().call(TRANSACTIONS, values).await?;
        let item = |row: &_| Ok(transaction(row)?.into_domain(id)?);
        page_of(&rows, limit, item, |last| {
            TransactionCursor::at(last).encode(id)
        })
    }

    async fn transaction(
        &self,
        id: ConversationId,
        transaction_id: TransactionId,
    ) -> Result<Option<Transaction>, StoreError> {
        let values = key(id)?.add(transaction_id.as_uuid())?;
        let rows = self.database().call(TRANSACTION, values).await?;
        match rows.first() {
            Some(row) => Ok(Some(transaction(row)?.into_domain(id)?)),
            None => Ok(None),
        }
    }

    async fn due(
        &self,
        of: Option<CreatorId>,
        until: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<Due>, StoreError> {
        let after = match &page.after {
            Some(cursor) => Some(DueCursor::decode(cursor, of)?),
            None => None,
        };
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = Values::default()
            .add(of.map(|creator| creator.as_uuid()))?
            .add(until.as_micros())?
            .add(one_more_than(limit))?
            .add(after.map(|after| after.wake_at))?
            .add(after.map(|after| after.creator))?
            .add(after.map(|after| after.fan))?;
        let rows = self.database().call(DUE, values).await?;
        let item = |row: &_| Ok(due(row)?);
        page_of(&rows, limit, item, |last| DueCursor::at(last).encode(of))
    }

    async fn commit(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        self.commit_change(change, expected).await
    }

    async fn erase(
        &self,
        id: ConversationId,
        through: Timestamp,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = key(id)?.add(through.as_micros())?.add(limit)?;
        let rows = self.database().call(ERASE, values).await?;
        let erased: i64 = match rows.first() {
            Some(row) => Columns::new(row, "messages").get(0, "id")?,
            None => 0,
        };
        Ok(if erased < limit {
            Erased::All
        } else {
            Erased::Some
        })
    }

    async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError> {
        let values = Values::default().add(id.as_uuid())?;
        self.database().call(MARK_ERASED, values).await?;
        Ok(())
    }

    async fn erase_creator(&self, id: CreatorId, limit: usize) -> Result<Erased, StoreError> {
        let erased = erase_of(self.database(), ERASE_CREATOR, id, limit).await?;
        erased.ok_or_else(StoreError::not_marked)
    }

    async fn acquire_lease(
        &self,
        name: &LeaseName,
        holder: &HolderId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let values = Values::default()
            .text(name.as_str())?
            .text(holder.as_str())?
            .add(lease_micros(ttl))?
            .add(self.lease_now(now, ttl))?;
        let rows = self.database().call(ACQUIRE, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "leases");
        let fence: i64 = columns.get(0, "fence")?;
        Ok(Some(Lease {
            name: name.clone(),
            holder: holder.clone(),
            fence: u64::try_from(fence).map_err(|_| columns.corrupt("fence", "a fence"))?,
            until: Timestamp::from_micros(columns.get(1, "until")?),
        }))
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        // A fence that no column holds was never granted here.
        if let Ok(fence) = i64::try_from(lease.fence) {
            let values = Values::default()
                .text(lease.name.as_str())?
                .text(lease.holder.as_str())?
                .add(fence)?;
            self.database().call(RELEASE, values).await?;
        }
        Ok(())
    }

    async fn register(&self, name: &RegisterName) -> Result<Option<Versioned<String>>, StoreError> {
        let values = Values::default().text(name.as_str())?;
        let rows = self.database().call(REGISTER, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "registers");
        Ok(Some(Versioned::new(
            columns.text(1, "value")?,
            revision(columns, 0)?,
        )))
    }

    async fn set_register(
        &self,
        name: &RegisterName,
        value: &str,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        // A revision that no column holds was never given out here.
        let expected = expected
            .map(|expected| i64::try_from(expected.number()))
            .transpose()
            .map_err(|_| StoreError::Conflict)?;
        let values = Values::default()
            .text(name.as_str())?
            .text(value)?
            .add(expected)?;
        let rows = self.database().call(SET_REGISTER, values).await?;
        let revision: Option<i64> = match rows.first() {
            Some(row) => Columns::new(row, "registers").get(0, "revision")?,
            None => None,
        };
        revision
            .and_then(|revision| u64::try_from(revision).ok())
            .map(Revision::new)
            .ok_or(StoreError::Conflict)
    }
}

fn key(id: ConversationId) -> Result<Values, Fault> {
    Values::default()
        .add(id.creator.as_uuid())?
        .add(id.fan.as_uuid())
}

pub(super) fn revision(columns: Columns<'_>, index: usize) -> Result<Revision, CorruptField> {
    let number: i64 = columns.get(index, "revision")?;
    u64::try_from(number)
        .map(Revision::new)
        .map_err(|_| columns.corrupt("revision", "a revision"))
}

fn one_creator(rows: &[PgRow]) -> Result<Option<Versioned<Creator>>, StoreError> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let columns = Columns::new(row, "creators");
    let creator = CreatorRow {
        creator: columns.get(0, "creator_id")?,
        account: columns.get(1, "account_id")?,
        profile: columns.get(3, "profile")?,
    };
    let revision = revision(columns, 2)?;
    Ok(Some(Versioned::new(creator.into_domain()?, revision)))
}

fn fan(row: &PgRow, of: ConversationId) -> Result<FanRow, CorruptField> {
    let columns = Columns::new(row, "fans");
    let name = |index, field| {
        let text = columns.text_or_null(index, field)?;
        Ok::<_, CorruptField>(text.map(Arc::from))
    };
    Ok(FanRow {
        creator: of.creator.as_uuid(),
        fan: of.fan.as_uuid(),
        handle: name(0, "handle")?,
        display_name: name(1, "display_name")?,
        nickname: name(2, "nickname")?,
    })
}

fn due(row: &PgRow) -> Result<Due, CorruptField> {
    let columns = Columns::new(row, "conversations");
    Ok(Due {
        conversation: ConversationId::new(
            CreatorId::from_uuid(columns.get(0, "creator_id")?),
            FanId::from_uuid(columns.get(1, "fan_id")?),
        ),
        wake_at: Timestamp::from_micros(columns.get(2, "wake_at")?),
    })
}

fn transaction(row: &PgRow) -> Result<TransactionRow, CorruptField> {
    let columns = Columns::new(row, "transactions");
    Ok(TransactionRow {
        id: columns.get(0, "id")?,
        kind: columns.get::<String>(1, "kind")?.into(),
        telling: columns.get::<String>(2, "telling")?.into(),
        amount_cents: columns.get(3, "amount_cents")?,
        net_cents: columns.get(4, "net_cents")?,
        currency: columns.get(5, "currency")?,
        at: columns.get(6, "at")?,
        stored_at: columns.get(7, "stored_at")?,
        message: columns.get(8, "message_id")?,
        post: columns.get(9, "post_id")?,
        reference: columns.text_or_null(10, "reference")?,
        reverses: columns.get(11, "reverses")?,
        same_as: columns.get(12, "same_as")?,
    })
}

fn message(row: &PgRow, of: ConversationId) -> Result<MessageRow, CorruptField> {
    let columns = Columns::new(row, "messages");
    let decision = match (
        columns.get::<Option<String>>(13, "outcome")?,
        columns.get(14, "decision")?,
        columns.get(15, "decided_at")?,
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
        id: columns.get(0, "id")?,
        sent_at: columns.get(1, "sent_at")?,
        stored_at: columns.get(2, "stored_at")?,
        author: columns.get::<String>(3, "author")?.into(),
        kind: columns.text(4, "kind")?,
        content: ContentRow {
            text: columns.text_or_null(5, "text")?.map(Arc::from),
            media: columns.get(6, "media")?,
            has_media: columns.get(7, "has_media")?,
            price_cents: columns.get(8, "price_cents")?,
            fetched: columns.get(9, "fetched")?,
            tokenizer: columns.get(10, "tokenizer")?,
            tokens: columns.get(11, "tokens")?,
        },
        turn: columns.get(12, "turn")?,
        decision,
        deleted_at: columns.get(16, "deleted_at")?,
    })
}

/// Erases up to `limit` rows of a creator by a function that answers how many went; none went if nothing is left.
/// `None` if the function refused.
pub(super) async fn erase_of(
    database: &Database,
    sql: &'static str,
    creator: CreatorId,
    limit: usize,
) -> Result<Option<Erased>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = Values::default().add(creator.as_uuid())?.add(limit)?;
    let rows = database.call(sql, values).await?;
    let count: Option<i64> = match rows.first() {
        Some(row) => Columns::new(row, "erased_creators").get(0, "count")?,
        None => None,
    };
    Ok(count.map(|count| match count {
        0 => Erased::All,
        _ => Erased::Some,
    }))
}
