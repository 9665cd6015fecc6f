//! The inbox: what waits to be kept is one insert.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::id::{ConversationId, CreatorId, FanId};
use fanvue_bot_core::inbox::{Inbox, KeptEvent, KeptId, WaitingEvent};
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;
use sqlx::postgres::PgRow;

use super::PostgresBackend;
use super::fault::Fault;
use super::group::{Batcher, Call};
use super::options::PostgresBuilder;
use super::sql::{Columns, Database, Values};
use super::store::MOST_ITEMS;
use super::text;
use super::wake::Shared;
use crate::row::CorruptField;

const KEEP: &str = "SELECT fanvue_bot.keep_events($1, $2, $3, $4, $5, $6)";

const WAITING: &str = "\
    SELECT creator_id, seq, fan_id, received_at, put_off, topic, event_id, body \
    FROM fanvue_bot.events_waiting($1, $2, $3, $4)";

const WAITING_OF: &str = "\
    SELECT creator_id, seq, fan_id, received_at, put_off, topic, event_id, body \
    FROM fanvue_bot.events_waiting_of($1, $2, $3)";

const SETTLE: &str = "SELECT fanvue_bot.settle_events($1, $2)";

const PUT_OFF: &str = "SELECT fanvue_bot.put_off_event($1, $2, $3)";

/// A creator gets so much of each look at what waits: one part in this many.
const SHARES: usize = 8;

pub(super) type Keeping = Batcher<KeptEvent, Result<(), Fault>>;

/// Where events are handed in that are to be kept.
pub(super) fn keeping(
    database: &Database,
    options: &Arc<PostgresBuilder>,
    shared: &Arc<Shared>,
) -> Keeping {
    let (database, shared) = (database.clone(), Arc::clone(shared));
    Batcher::new(options.max_group, move |group| {
        let (database, shared) = (database.clone(), Arc::clone(&shared));
        async move { keep_all(&database, &shared, group).await }
    })
}

/// Keeps them all, or none: what one of them could be refused for, all would be.
async fn keep_all(
    database: &Database,
    shared: &Shared,
    group: Vec<Call<KeptEvent, Result<(), Fault>>>,
) {
    let kept = match keep(&group) {
        Ok(values) => database.call(KEEP, values).await.map(drop),
        Err(fault) => Err(fault),
    };
    match &kept {
        Ok(()) => shared.kept_more(),
        Err(fault) => {
            tracing::warn!(%fault, events = group.len(), "events could not be kept");
        }
    }
    for call in group {
        call.answer(kept.clone());
    }
}

fn keep(group: &[Call<KeptEvent, Result<(), Fault>>]) -> Result<Values, Fault> {
    let events = || group.iter().map(|call| &call.args);
    let creators: Vec<_> = events().map(|e| e.conversation.creator.as_uuid()).collect();
    let fans: Vec<_> = events().map(|e| e.conversation.fan.as_uuid()).collect();
    let received: Vec<_> = events().map(|e| e.received_at.as_micros()).collect();
    let topics: Vec<_> = events()
        .map(|e| e.topic.as_deref().map(text::encode))
        .collect();
    let event_ids: Vec<_> = events()
        .map(|e| e.event_id.as_deref().map(text::encode))
        .collect();
    let bodies: Vec<&[u8]> = events().map(|e| &*e.body).collect();
    Values::default()
        .add(creators)?
        .add(fans)?
        .add(received)?
        .add(topics)?
        .add(event_ids)?
        .add(bodies)
}

#[async_trait]
impl Inbox for PostgresBackend {
    async fn keep(&self, event: KeptEvent) -> Result<(), StoreError> {
        let kept = self.keeping().ask(event).await;
        Ok(kept.unwrap_or(Err(Fault::Closed))?)
    }

    async fn waiting(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitingEvent>, StoreError> {
        let limit = limit.min(MOST_ITEMS);
        let after = &self.shared().taken_in;
        let values = Values::default()
            .add(now.as_micros())?
            .add(rows(limit))?
            .add(rows(limit.div_ceil(SHARES)))?
            .add(after.get())?;
        let listed = listed(&self.database().call(WAITING, values).await?)?;
        after.set(listed.last().map(|last| last.id.creator.as_uuid()));
        Ok(listed)
    }

    async fn waiting_of(
        &self,
        id: ConversationId,
        limit: usize,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        let values = Values::default()
            .add(id.creator.as_uuid())?
            .add(id.fan.as_uuid())?
            .add(rows(limit))?;
        listed(&self.database().call(WAITING_OF, values).await?)
    }

    async fn settle(&self, events: &[KeptId]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        // All in one order, so that two who settle the same events wait for each other and never for both.
        let events = BTreeSet::from_iter(events);
        let creators: Vec<_> = events.iter().map(|id| id.creator.as_uuid()).collect();
        let numbers: Vec<_> = events.iter().map(|id| number(**id)).collect();
        let values = Values::default().add(creators)?.add(numbers)?;
        self.database().call(SETTLE, values).await?;
        Ok(())
    }

    async fn put_off(&self, event: KeptId, until: Timestamp) -> Result<(), StoreError> {
        let values = Values::default()
            .add(event.creator.as_uuid())?
            .add(number(event))?
            .add(until.as_micros())?;
        self.database().call(PUT_OFF, values).await?;
        Ok(())
    }

    async fn kept(&self) {
        self.shared().kept.raised().await;
    }
}

/// As a column holds it; one that none holds was never given.
fn number(id: KeptId) -> i64 {
    i64::try_from(id.number).unwrap_or(-1)
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(MOST_ITEMS)).unwrap_or(i64::MAX)
}

fn listed(rows: &[PgRow]) -> Result<Vec<WaitingEvent>, StoreError> {
    rows.iter().map(|row| Ok(event(row)?)).collect()
}

fn event(row: &PgRow) -> Result<WaitingEvent, CorruptField> {
    let columns = Columns::new(row, "inbox");
    let creator = CreatorId::from_uuid(columns.get(0, "creator_id")?);
    let number: i64 = columns.get(1, "seq")?;
    let put_off: i32 = columns.get(4, "put_off")?;
    Ok(WaitingEvent {
        id: KeptId {
            creator,
            number: u64::try_from(number).map_err(|_| columns.corrupt("seq", "a number"))?,
        },
        put_off: u32::try_from(put_off).unwrap_or(0),
        event: KeptEvent {
            conversation: ConversationId::new(creator, FanId::from_uuid(columns.get(2, "fan_id")?)),
            received_at: Timestamp::from_micros(columns.get(3, "received_at")?),
            topic: columns.text_or_null(5, "topic")?.map(Into::into),
            event_id: columns.text_or_null(6, "event_id")?.map(Into::into),
            body: columns.get::<Vec<u8>>(7, "body")?.into(),
        },
    })
}
