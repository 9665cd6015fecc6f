//! Broadcasts: each method is one call of a function.

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
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresBackend;
use super::fault::Fault;
use super::sql::{Columns, Values};
use super::store::{MOST_ITEMS, erase_of, revision};
use super::text;
use crate::cursor::BroadcastCursor;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{BroadcastRow, CorruptField, standing};

const BROADCAST: &str = "SELECT revision, broadcast FROM fanvue_bot.broadcast($1, $2)";

const NEWEST: &str = "SELECT revision, broadcast FROM fanvue_bot.broadcasts_before($1, $2, $3, $4)";

const DUE: &str = "SELECT creator_id, id FROM fanvue_bot.due_broadcasts($1, $2)";

const PUT: &str = "SELECT fanvue_bot.put_broadcast($1, $2, $3, $4, $5, $6)";

const ADD: &str = "SELECT fanvue_bot.add_recipients($1, $2, $3, $4)";

const NAMES: &str = "SELECT fan_id, name FROM fanvue_bot.recipient_names($1, $2, $3)";

const MOVE: &str = "SELECT fanvue_bot.move_recipients($1, $2, $3, $4, $5)";

const RECIPIENTS: &str =
    "SELECT fan_id FROM fanvue_bot.recipients_after($1, $2, $3, $4, $5) AS fan_id";

const COUNTS: &str = "SELECT standing, recipients FROM fanvue_bot.recipient_counts($1, $2)";

const CLEAR: &str = "SELECT fanvue_bot.clear_gathered($1, $2)";

const TO_FAN: &str =
    "SELECT broadcast_id, standing, name FROM fanvue_bot.broadcasts_to($1, $2, $3, $4)";

const FORGET: &str = "SELECT fanvue_bot.forget_recipient($1, $2)";
const ERASE_CREATOR: &str = "SELECT fanvue_bot.erase_broadcasts_of($1, $2)";

#[async_trait]
impl Broadcasts for PostgresBackend {
    async fn broadcast(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
        let rows = self.database().call(BROADCAST, key(creator, id)?).await?;
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
            .add(creator.as_uuid())?
            .add(before.created_at)?
            .add(before.id)?
            .add(one_more_than(limit))?;
        let rows = self.database().call(NEWEST, values).await?;
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
        let values = Values::default().add(now.as_micros())?.add(rows(limit))?;
        let due = self.database().call(DUE, values).await?;
        due.iter()
            .map(|row| {
                let columns = Columns::new(row, "broadcasts");
                let creator = CreatorId::from_uuid(columns.get(0, "creator_id")?);
                Ok((creator, BroadcastId::from_uuid(columns.get(1, "id")?)))
            })
            .collect()
    }

    async fn put_broadcast(
        &self,
        broadcast: &Broadcast,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let row = BroadcastRow::from_domain(broadcast)?;
        // A revision that no column holds was never given out here.
        let expected = expected
            .map(|expected| i64::try_from(expected.number()))
            .transpose()
            .map_err(|_| StoreError::Conflict)?;
        let values = key(broadcast.creator, broadcast.id)?
            .add(expected)?
            .add(row.created_at)?
            .add(row.due_at)?
            .text(&row.broadcast)?;
        let rows = self.database().call(PUT, values).await?;
        let put: Option<i64> = match rows.first() {
            Some(row) => Columns::new(row, "broadcasts").get(0, "revision")?,
            None => None,
        };
        put.and_then(|revision| u64::try_from(revision).ok())
            .map(Revision::new)
            .ok_or(StoreError::Conflict)
    }

    async fn add_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanProfile],
    ) -> Result<(), StoreError> {
        let mut fans: Vec<(Uuid, Option<String>)> = fans.iter().map(named).collect();
        fans.sort_unstable();
        let (fans, names): (Vec<Uuid>, Vec<Option<String>>) = fans.into_iter().unzip();
        let values = key(creator, id)?.add(fans)?.add(names)?;
        let rows = self.database().call(ADD, values).await?;
        let known = match rows.first() {
            Some(row) => Columns::new(row, "broadcasts").get(0, "id")?,
            None => false,
        };
        if known {
            Ok(())
        } else {
            Err(StoreError::Rejected {
                reason: "recipients: there is no such broadcast".to_owned(),
            })
        }
    }

    async fn recipient_names(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
    ) -> Result<BTreeMap<FanId, Arc<str>>, StoreError> {
        let values = key(creator, id)?.add(uuids(fans))?;
        let listed = self.database().call(NAMES, values).await?;
        listed
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                let fan = FanId::from_uuid(columns.get(0, "fan_id")?);
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
        let values = key(creator, id)?
            .add(uuids(fans))?
            .add(from.as_str())?
            .add(to.as_str())?;
        self.database().call(MOVE, values).await?;
        Ok(())
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
            .add(standing.as_str())?
            .add(after.map(|after| after.as_uuid()))?
            .add(rows(limit))?;
        let listed = self.database().call(RECIPIENTS, values).await?;
        listed
            .iter()
            .map(|row| {
                let id = Columns::new(row, "recipients").get(0, "fan_id")?;
                Ok(FanId::from_uuid(id))
            })
            .collect()
    }

    async fn recipient_counts(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Vec<(Standing, u64)>, StoreError> {
        let counted = self.database().call(COUNTS, key(creator, id)?).await?;
        counted
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                let standing = standing(columns.get(0, "standing")?)?;
                let count: i64 = columns.get(1, "standing")?;
                let count =
                    u64::try_from(count).map_err(|_| columns.corrupt("standing", "counted"))?;
                Ok((standing, count))
            })
            .collect()
    }

    async fn clear_gathered(&self, creator: CreatorId, id: BroadcastId) -> Result<(), StoreError> {
        self.database().call(CLEAR, key(creator, id)?).await?;
        Ok(())
    }

    async fn broadcasts_to(
        &self,
        fan: ConversationId,
        after: Option<BroadcastId>,
        limit: usize,
    ) -> Result<Vec<Recipient>, StoreError> {
        let values = Values::default()
            .add(fan.creator.as_uuid())?
            .add(fan.fan.as_uuid())?
            .add(after.map(|after| after.as_uuid()))?
            .add(rows(limit))?;
        let listed = self.database().call(TO_FAN, values).await?;
        listed
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "recipients");
                Ok(Recipient {
                    broadcast: BroadcastId::from_uuid(columns.get(0, "broadcast_id")?),
                    standing: standing(columns.get(1, "standing")?)?,
                    name: columns.text_or_null(2, "name")?.map(Arc::from),
                })
            })
            .collect()
    }

    async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError> {
        let values = Values::default()
            .add(fan.creator.as_uuid())?
            .add(fan.fan.as_uuid())?;
        self.database().call(FORGET, values).await?;
        Ok(())
    }

    async fn erase_broadcasts_of(
        &self,
        creator: CreatorId,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        let erased = erase_of(self.database(), ERASE_CREATOR, creator, limit).await?;
        Ok(erased.unwrap_or(Erased::All))
    }
}

fn key(creator: CreatorId, id: BroadcastId) -> Result<Values, Fault> {
    Values::default().add(creator.as_uuid())?.add(id.as_uuid())
}

/// A fan and what they go by.
fn named(fan: &FanProfile) -> (Uuid, Option<String>) {
    let name = fan.name().map(|name| text::encode(name).into_owned());
    (fan.id.as_uuid(), name)
}

/// All in one order, so that two who move the same fans wait for each other and never for both.
fn uuids(fans: &[FanId]) -> Vec<Uuid> {
    let mut uuids: Vec<Uuid> = fans.iter().map(FanId::as_uuid).collect();
    uuids.sort_unstable();
    uuids
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(MOST_ITEMS)).unwrap_or(i64::MAX)
}

fn broadcast(row: &PgRow) -> Result<Versioned<Broadcast>, CorruptField> {
    let columns = Columns::new(row, "broadcasts");
    let value = BroadcastRow::into_domain(&columns.text(1, "broadcast")?)?;
    Ok(Versioned::new(value, revision(columns, 0)?))
}
