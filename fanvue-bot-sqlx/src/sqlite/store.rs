//! The store: reads on the readers' pool, writes through the writer.

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
use sqlx::sqlite::SqliteRow;

use super::SqliteBackend;
use super::fault::Fault;
use super::sql::{Columns, Values, fetch};
use super::write::{
    Acquiring, Call, ErasingCreator, ErasingMessages, MarkingErased, Op, Releasing, SettingRegister,
};
use crate::cursor::{DueCursor, MessageCursor, TransactionCursor};
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{
    ContentRow, ConversationRow, CorruptField, CreatorRow, DecisionRow, FanRow, MessageRow,
    TransactionRow,
};

const CREATOR: &str =
    "SELECT creator_id, account_id, revision, profile FROM creators WHERE creator_id = ?1";

/// Crosses tenants: finds whose account it is.
const CREATOR_BY_ACCOUNT: &str =
    "SELECT creator_id, account_id, revision, profile FROM creators WHERE account_id = ?1";

/// Crosses tenants: for what is done for each creator in turn.
const CREATORS: &str = "SELECT creator_id FROM creators ORDER BY creator_id LIMIT ?1";

const CREATORS_AFTER: &str =
    "SELECT creator_id FROM creators WHERE creator_id > ?2 ORDER BY creator_id LIMIT ?1";

const CONVERSATION: &str =
    "SELECT revision, state FROM conversations WHERE creator_id = ?1 AND fan_id = ?2";

const FAN: &str =
    "SELECT handle, display_name, nickname FROM fans WHERE creator_id = ?1 AND fan_id = ?2";

const MESSAGE: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at, deleted_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 AND id = ?3";

const NEWEST_MESSAGES: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at, deleted_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 ORDER BY sent_at DESC, id DESC LIMIT ?3";

const OLDER_MESSAGES: &str = "\
    SELECT id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, \
    tokenizer, tokens, turn, outcome, decision, decided_at, deleted_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?2 AND (sent_at, id) < (?4, ?5) \
    ORDER BY sent_at DESC, id DESC LIMIT ?3";

const TRANSACTION: &str = "\
    SELECT id, kind, telling, amount_cents, net_cents, currency, at, stored_at, message_id, post_id, \
    reference, reverses, same_as FROM transactions \
    WHERE creator_id = ?1 AND fan_id = ?2 AND id = ?3";

const NEWEST_TRANSACTIONS: &str = "\
    SELECT id, kind, telling, amount_cents, net_cents, currency, at, stored_at, message_id, post_id, \
    reference, reverses, same_as FROM transactions \
    WHERE creator_id = ?1 AND fan_id = ?2 ORDER BY at DESC, id DESC LIMIT ?3";

const OLDER_TRANSACTIONS: &str = "\
    SELECT id, kind, telling, amount_cents, net_cents, currency, at, stored_at, message_id, post_id, \
    reference, reverses, same_as FROM transactions \
    WHERE creator_id = ?1 AND fan_id = ?2 AND (at, id) < (?4, ?5) \
    ORDER BY at DESC, id DESC LIMIT ?3";

/// Crosses tenants: for sweeps of the deployment.
const DUE: &str = "\
    SELECT creator_id, fan_id, wake_at FROM conversations \
    WHERE wake_at <= ?1 ORDER BY wake_at, creator_id, fan_id LIMIT ?2";

const DUE_AFTER: &str = "\
    SELECT creator_id, fan_id, wake_at FROM conversations \
    WHERE wake_at <= ?1 AND (wake_at, creator_id, fan_id) > (?3, ?4, ?5) \
    ORDER BY wake_at, creator_id, fan_id LIMIT ?2";

const DUE_OF: &str = "\
    SELECT creator_id, fan_id, wake_at FROM conversations \
    WHERE creator_id = ?3 AND wake_at <= ?1 ORDER BY wake_at, fan_id LIMIT ?2";

const DUE_OF_AFTER: &str = "\
    SELECT creator_id, fan_id, wake_at FROM conversations \
    WHERE creator_id = ?4 AND wake_at <= ?1 AND (wake_at, fan_id) > (?3, ?5) \
    ORDER BY wake_at, fan_id LIMIT ?2";

const REGISTER: &str = "SELECT revision, value FROM registers WHERE name = ?1";

/// The most items of one page, so that no answer takes the memory of a whole list.
pub(super) const MOST_ITEMS: usize = 1_000;

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

    async fn creator_ids(
        &self,
        after: Option<CreatorId>,
        limit: usize,
    ) -> Result<Vec<CreatorId>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = Values::default().int(limit)?;
        let rows = match after {
            None => fetch(self.readers(), CREATORS, values).await?,
            Some(after) => {
                let values = values.id(after.as_uuid())?;
                fetch(self.readers(), CREATORS_AFTER, values).await?
            }
        };
        rows.iter()
            .map(|row| {
                let id = Columns::new(row, "creators").id(0, "creator_id")?;
                Ok(CreatorId::from_uuid(id))
            })
            .collect()
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

    async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError> {
        let rows = fetch(self.readers(), FAN, key(id)?).await?;
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
        let values = key(id)?.int(one_more_than(limit))?;
        let rows = match after {
            None => fetch(self.readers(), NEWEST_MESSAGES, values).await?,
            Some(after) => {
                let values = values.int(after.sent_at)?.id(after.id)?;
                fetch(self.readers(), OLDER_MESSAGES, values).await?
            }
        };
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
        let values = key(id)?.id(message_id.as_uuid())?;
        let rows = fetch(self.readers(), MESSAGE, values).await?;
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
        let values = key(id)?.int(one_more_than(limit))?;
        let rows = match after {
            None => fetch(self.readers(), NEWEST_TRANSACTIONS, values).await?,
            Some(after) => {
                let values = values.int(after.at)?.id(after.id)?;
                fetch(self.readers(), OLDER_TRANSACTIONS, values).await?
            }
        };
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
        let values = key(id)?.id(transaction_id.as_uuid())?;
        let rows = fetch(self.readers(), TRANSACTION, values).await?;
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
            .int(until.as_micros())?
            .int(one_more_than(limit))?;
        let (sql, values) = match (of, after) {
            (None, None) => (DUE, values),
            (Some(of), None) => (DUE_OF, values.id(of.as_uuid())?),
            (of, Some(after)) => {
                let sql = of.map_or(DUE_AFTER, |_| DUE_OF_AFTER);
                let values = values.int(after.wake_at)?.id(after.creator)?;
                (sql, values.id(after.fan)?)
            }
        };
        let rows = fetch(self.readers(), sql, values).await?;
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
        let args = ErasingMessages {
            conversation: id,
            through,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        };
        Call::make(self.inbox(), args, Op::EraseMessages).await
    }

    async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError> {
        let args = MarkingErased { creator: id };
        Call::make(self.inbox(), args, Op::MarkErased).await
    }

    async fn erase_creator(&self, id: CreatorId, limit: usize) -> Result<Erased, StoreError> {
        let args = ErasingCreator::of(id, limit);
        Call::make(self.inbox(), args, Op::EraseCreator).await
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

    async fn register(&self, name: &RegisterName) -> Result<Option<Versioned<String>>, StoreError> {
        let values = Values::default().text(name.as_str())?;
        let rows = fetch(self.readers(), REGISTER, values).await?;
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
        let args = SettingRegister {
            name: name.clone(),
            value: value.to_owned(),
            expected,
        };
        Call::make(self.inbox(), args, Op::SetRegister).await
    }
}

fn key(id: ConversationId) -> Result<Values, Fault> {
    Values::default()
        .id(id.creator.as_uuid())?
        .id(id.fan.as_uuid())
}

pub(super) fn revision(columns: Columns<'_>, index: usize) -> Result<Revision, CorruptField> {
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

fn fan(row: &SqliteRow, of: ConversationId) -> Result<FanRow, CorruptField> {
    let columns = Columns::new(row, "fans");
    let name = |index, field| {
        let text = columns.text_or_null(index, field)?;
        Ok(text.map(Arc::from))
    };
    Ok(FanRow {
        creator: of.creator.as_uuid(),
        fan: of.fan.as_uuid(),
        handle: name(0, "handle")?,
        display_name: name(1, "display_name")?,
        nickname: name(2, "nickname")?,
    })
}

fn due(row: &SqliteRow) -> Result<Due, CorruptField> {
    let columns = Columns::new(row, "conversations");
    Ok(Due {
        conversation: ConversationId::new(
            CreatorId::from_uuid(columns.id(0, "creator_id")?),
            FanId::from_uuid(columns.id(1, "fan_id")?),
        ),
        wake_at: Timestamp::from_micros(columns.int(2, "wake_at")?),
    })
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
        deleted_at: columns.int_or_null(16, "deleted_at")?,
    })
}

fn transaction(row: &SqliteRow) -> Result<TransactionRow, CorruptField> {
    let columns = Columns::new(row, "transactions");
    Ok(TransactionRow {
        id: columns.id(0, "id")?,
        kind: columns.text(1, "kind")?.into(),
        telling: columns.text(2, "telling")?.into(),
        amount_cents: columns.int_or_null(3, "amount_cents")?,
        net_cents: columns.int_or_null(4, "net_cents")?,
        currency: columns.text_or_null(5, "currency")?,
        at: columns.int(6, "at")?,
        stored_at: columns.int(7, "stored_at")?,
        message: columns.id_or_null(8, "message_id")?,
        post: columns.id_or_null(9, "post_id")?,
        reference: columns.text_or_null(10, "reference")?,
        reverses: columns.id_or_null(11, "reverses")?,
        same_as: columns.id_or_null(12, "same_as")?,
    })
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    CREATOR,
    CREATOR_BY_ACCOUNT,
    CREATORS_AFTER,
    REGISTER,
    CONVERSATION,
    FAN,
    MESSAGE,
    NEWEST_MESSAGES,
    OLDER_MESSAGES,
    TRANSACTION,
    NEWEST_TRANSACTIONS,
    OLDER_TRANSACTIONS,
    DUE,
    DUE_AFTER,
    DUE_OF,
    DUE_OF_AFTER,
];
