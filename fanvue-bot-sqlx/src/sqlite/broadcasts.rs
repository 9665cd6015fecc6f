//! Broadcasts: reads on the readers' pool, writes through the writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::broadcast::{Broadcast, Broadcasts, Recipient, Standing};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{BroadcastId, ConversationId, CreatorId, FanId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{Erased, StoreError};
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::SqliteBackend;
use super::fault::Fault;
use super::sql::{Columns, Values, fetch, json_keys};
use super::store::{MOST_ITEMS, revision};
use super::write::{BroadcastWrite, Call, ErasingCreator, Op};
use crate::cursor::BroadcastCursor;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{BroadcastRow, CorruptField, rejected, standing};

const BROADCAST: &str =
    "SELECT revision, broadcast FROM broadcasts WHERE creator_id = ?1 AND id = ?2";

const NEWEST: &str = "\
    SELECT revision, broadcast FROM broadcasts \
    WHERE creator_id = ?1 AND (created_at, id) < (?3, ?4) \
    ORDER BY created_at DESC, id DESC LIMIT ?2";

/// Crosses tenants: for those who see to broadcasts.
const DUE: &str = "\
    SELECT creator_id, id FROM broadcasts WHERE due_at <= ?1 \
    ORDER BY due_at, creator_id, id LIMIT ?2";

const RECIPIENTS: &str = "\
    SELECT fan_id FROM recipients WHERE creator_id = ?1 AND broadcast_id = ?2 AND standing = ?3 \
    ORDER BY fan_id LIMIT ?4";

const RECIPIENTS_AFTER: &str = "\
    SELECT fan_id FROM recipients WHERE creator_id = ?1 AND broadcast_id = ?2 AND standing = ?3 \
    AND fan_id > ?5 ORDER BY fan_id LIMIT ?4";

const NAMES: &str = "\
    SELECT fan_id, name FROM recipients WHERE creator_id = ?1 AND broadcast_id = ?2 \
    AND fan_id IN (SELECT unhex(value) FROM json_each(?3)) AND name IS NOT NULL";

const COUNTS: &str = "\
    SELECT standing, count(*) FROM recipients WHERE creator_id = ?1 AND broadcast_id = ?2 \
    GROUP BY standing";

const OF_FAN: &str = "\
    SELECT broadcast_id, standing, name FROM recipients WHERE creator_id = ?1 AND fan_id = ?2 \
    ORDER BY broadcast_id LIMIT ?3";

const OF_FAN_AFTER: &str = "\
    SELECT broadcast_id, standing, name FROM recipients WHERE creator_id = ?1 AND fan_id = ?2 \
    AND broadcast_id > ?4 ORDER BY broadcast_id LIMIT ?3";

impl SqliteBackend {
    async fn write_broadcast(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        write: impl FnOnce(CreatorId, BroadcastId) -> BroadcastWrite,
    ) -> Result<Revision, StoreError> {
        Call::make(self.inbox(), write(creator, id), Op::WriteBroadcast).await
    }
}

#[async_trait]
impl Broadcasts for SqliteBackend {
    async fn broadcast(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
        let rows = fetch(self.readers(), BROADCAST, key(creator, id)?).await?;
        Ok(rows.first().map(broadcast).transpose()?)
    }

    async fn broadcasts(
        &self,
        creator: CreatorId,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Broadcast>>, StoreError> {
        let before = BroadcastCursor::of(page, creator)?;
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = Values::default()
            .id(creator.as_uuid())?
            .int(one_more_than(limit))?
            .int(before.created_at)?
            .id(before.id)?;
        let rows = fetch(self.readers(), NEWEST, values).await?;
        let item = |row: &_| Ok(broadcast(row)?);
        page_of(&rows, limit, item, |last: &Versioned<Broadcast>| {
            BroadcastCursor::at(&last.value).encode(creator)
        })
    }

    async fn due_broadcasts(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError> {
        let values = Values::default().int(now.as_micros())?.int(rows(limit))?;
        let due = fetch(self.readers(), DUE, values).await?;
        due.iter()
            .map(|row| {
                let columns = Columns::new(row, "broadcasts");
                let creator = CreatorId::from_uuid(columns.id(0, "creator_id")?);
                Ok((creator, BroadcastId::from_uuid(columns.id(1, "id")?)))
            })
            .collect()
    }

    async fn put_broadcast(
        &self,
        broadcast: &Broadcast,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let row = BroadcastRow::from_domain(broadcast)?;
        self.write_broadcast(broadcast.creator, broadcast.id, |creator, id| {
            BroadcastWrite::Put {
                creator,
                id,
                row,
                expected,
            }
        })
        .await
    }

    async fn add_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanProfile],
    ) -> Result<(), StoreError> {
        let fans = named(fans)?;
        self.write_broadcast(creator, id, |creator, id| BroadcastWrite::Add {
            creator,
            id,
            fans,
        })
        .await
        .map(drop)
    }

    async fn recipient_names(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
    ) -> Result<BTreeMap<FanId, Arc<str>>, StoreError> {
        let values = key(creator, id)?.text(keys(fans))?;
        let listed = fetch(self.readers(), NAMES, values).await?;
        listed
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                let fan = FanId::from_uuid(columns.id(0, "fan_id")?);
                Ok((fan, columns.text(1, "name")?.into()))
            })
            .collect()
    }

    async fn move_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
        from: Standing,
        to: Standing,
    ) -> Result<(), StoreError> {
        if fans.is_empty() {
            return Ok(());
        }
        let fans = keys(fans);
        self.write_broadcast(creator, id, |creator, id| BroadcastWrite::Move {
            creator,
            id,
            fans,
            from,
            to,
        })
        .await
        .map(drop)
    }

    async fn recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        standing: Standing,
        after: Option<FanId>,
        limit: usize,
    ) -> Result<Vec<FanId>, StoreError> {
        let values = key(creator, id)?
            .text(standing.as_str())?
            .int(rows(limit))?;
        let listed = match after {
            None => fetch(self.readers(), RECIPIENTS, values).await?,
            Some(after) => {
                let values = values.id(after.as_uuid())?;
                fetch(self.readers(), RECIPIENTS_AFTER, values).await?
            }
        };
        listed
            .iter()
            .map(|row| {
                let id = Columns::new(row, "recipients").id(0, "fan_id")?;
                Ok(FanId::from_uuid(id))
            })
            .collect()
    }

    async fn recipient_counts(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Vec<(Standing, u64)>, StoreError> {
        let counted = fetch(self.readers(), COUNTS, key(creator, id)?).await?;
        counted
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                let standing = standing(&columns.text(0, "standing")?)?;
                let count = u64::try_from(columns.int(1, "standing")?)
                    .map_err(|_| columns.corrupt("standing", "counted"))?;
                Ok((standing, count))
            })
            .collect()
    }

    async fn clear_gathered(&self, creator: CreatorId, id: BroadcastId) -> Result<(), StoreError> {
        self.write_broadcast(creator, id, |creator, id| BroadcastWrite::Clear {
            creator,
            id,
        })
        .await
        .map(drop)
    }

    async fn broadcasts_to(
        &self,
        fan: ConversationId,
        after: Option<BroadcastId>,
        limit: usize,
    ) -> Result<Vec<Recipient>, StoreError> {
        let values = Values::default()
            .id(fan.creator.as_uuid())?
            .id(fan.fan.as_uuid())?
            .int(rows(limit))?;
        let listed = match after {
            None => fetch(self.readers(), OF_FAN, values).await?,
            Some(after) => {
                let values = values.id(after.as_uuid())?;
                fetch(self.readers(), OF_FAN_AFTER, values).await?
            }
        };
        listed
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                Ok(Recipient {
                    broadcast: BroadcastId::from_uuid(columns.id(0, "broadcast_id")?),
                    standing: standing(&columns.text(1, "standing")?)?,
                    name: columns.text_or_null(2, "name")?.map(Arc::from),
                })
            })
            .collect()
    }

    async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError> {
        let forget = BroadcastWrite::Forget { fan };
        Call::make(self.inbox(), forget, Op::WriteBroadcast)
            .await
            .map(drop)
    }

    async fn erase_broadcasts_of(
        &self,
        creator: CreatorId,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        let args = ErasingCreator::of(creator, limit);
        Call::make(self.inbox(), args, Op::EraseBroadcasts).await
    }
}

fn key(creator: CreatorId, id: BroadcastId) -> Result<Values, Fault> {
    Values::default().id(creator.as_uuid())?.id(id.as_uuid())
}

/// The fans as keys, each with the bytes of the name that they go by: in JSON, SQLite reads no text past a zero.
fn named(fans: &[FanProfile]) -> Result<String, StoreError> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let pair = |fan: &FanProfile| {
        let name = fan.name().map(|name| hex(name.as_bytes()));
        (hex(fan.id.as_uuid().as_bytes()), name)
    };
    let pairs: Vec<_> = fans.iter().map(pair).collect();
    serde_json::to_string(&pairs).map_err(|_| rejected("recipients", "cannot be written as JSON"))
}

fn keys(fans: &[FanId]) -> String {
    let fans: Vec<_> = fans.iter().map(FanId::as_uuid).collect();
    json_keys(fans.iter().map(std::slice::from_ref))
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(MOST_ITEMS)).unwrap_or(i64::MAX)
}

fn broadcast(row: &SqliteRow) -> Result<Versioned<Broadcast>, CorruptField> {
    let columns = Columns::new(row, "broadcasts");
    let value = BroadcastRow::into_domain(&columns.text(1, "broadcast")?)?;
    Ok(Versioned::new(value, revision(columns, 0)?))
}

#[cfg(test)]
pub(super) const LISTS: &[&str] = &[
    NEWEST,
    DUE,
    RECIPIENTS,
    RECIPIENTS_AFTER,
    OF_FAN,
    OF_FAN_AFTER,
];

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    BROADCAST,
    NEWEST,
    DUE,
    RECIPIENTS,
    RECIPIENTS_AFTER,
    NAMES,
    COUNTS,
    OF_FAN,
    OF_FAN_AFTER,
];
