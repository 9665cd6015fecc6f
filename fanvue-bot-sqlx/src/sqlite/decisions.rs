//! Decisions, listed and counted: reads on the readers' pool, each along an index of its own.

use async_trait::async_trait;
use fanvue_bot_core::admin::{AdminQueries, DecidedMessage, DecisionsOf, TimeSpan};
use fanvue_bot_core::decision::Reason;
use fanvue_bot_core::id::{ConversationId, CreatorId, FanId, MessageId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::SqliteBackend;
use super::sql::{Columns, Values, fetch};
use super::store::MOST_ITEMS;
use crate::cursor::DecisionCursor;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{CorruptField, DecisionRow};

const OF_FAN: &str = "\
    SELECT fan_id, id, sent_at, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND fan_id = ?6 AND decided_at IS NOT NULL \
    AND (decided_at, id) < (?3, ?5) ORDER BY decided_at DESC, id DESC LIMIT ?2";

const OF_CREATOR: &str = "\
    SELECT fan_id, id, sent_at, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND decided_at IS NOT NULL AND (decided_at, fan_id, id) < (?3, ?4, ?5) \
    ORDER BY decided_at DESC, fan_id DESC, id DESC LIMIT ?2";

const OF_REASON: &str = "\
    SELECT fan_id, id, sent_at, outcome, decision, decided_at FROM messages \
    WHERE creator_id = ?1 AND reason = ?6 AND decided_at IS NOT NULL \
    AND (decided_at, fan_id, id) < (?3, ?4, ?5) \
    ORDER BY decided_at DESC, fan_id DESC, id DESC LIMIT ?2";

const COUNTS: &str = "\
    SELECT value, (SELECT count(*) FROM messages WHERE creator_id = ?1 AND reason = value \
        AND decided_at IS NOT NULL AND decided_at >= ?3 AND decided_at < ?4) \
    FROM json_each(?2)";

#[async_trait]
impl AdminQueries for SqliteBackend {
    async fn decisions(
        &self,
        of: DecisionsOf,
        page: &PageRequest,
    ) -> Result<Page<DecidedMessage>, StoreError> {
        let after = match &page.after {
            Some(cursor) => DecisionCursor::decode(cursor, of)?,
            None => DecisionCursor::FIRST,
        };
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = Values::default()
            .id(of.creator().as_uuid())?
            .int(one_more_than(limit))?
            .int(after.decided_at)?
            .id(after.fan)?
            .id(after.id)?;
        let (sql, values) = match of {
            DecisionsOf::Fan(id) => (OF_FAN, values.id(id.fan.as_uuid())?),
            DecisionsOf::Creator(_) => (OF_CREATOR, values),
            DecisionsOf::Reason(_, reason) => (OF_REASON, values.text(reason.as_str())?),
        };
        let rows = fetch(self.readers(), sql, values).await?;
        let item = |row: &_| Ok(decided(row, of.creator())?);
        page_of(&rows, limit, item, |last| {
            DecisionCursor::at(last).encode(of)
        })
    }

    async fn decision_counts(
        &self,
        creator: CreatorId,
        span: TimeSpan,
    ) -> Result<Vec<(Reason, u64)>, StoreError> {
        let names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let names = serde_json::to_string(&names).map_err(StoreError::unavailable)?;
        let values = Values::default()
            .id(creator.as_uuid())?
            .text(names)?
            .int(span.from.as_micros())?
            .int(span.to.as_micros())?;
        let rows = fetch(self.readers(), COUNTS, values).await?;
        let mut counts = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::new(row, "messages");
            let reason = Reason::from_name(&columns.text(0, "reason")?)
                .ok_or_else(|| columns.corrupt("reason", "a reason"))?;
            let count = u64::try_from(columns.int(1, "reason")?)
                .map_err(|_| columns.corrupt("reason", "counted"))?;
            if count > 0 {
                counts.push((reason, count));
            }
        }
        Ok(counts)
    }
}

fn decided(row: &SqliteRow, creator: CreatorId) -> Result<DecidedMessage, CorruptField> {
    let columns = Columns::new(row, "messages");
    let fan = FanId::from_uuid(columns.id(0, "fan_id")?);
    let decision = DecisionRow {
        outcome: columns.text(3, "outcome")?.into(),
        detail: columns.text(4, "decision")?,
        decided_at: columns.int(5, "decided_at")?,
    };
    Ok(DecidedMessage {
        conversation: ConversationId::new(creator, fan),
        message: MessageId::from_uuid(columns.id(1, "id")?),
        sent_at: Timestamp::from_micros(columns.int(2, "sent_at")?),
        decision: decision.into_domain()?,
    })
}

#[cfg(test)]
pub(super) const LISTS: &[&str] = &[OF_FAN, OF_CREATOR, OF_REASON];

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[OF_FAN, OF_CREATOR, OF_REASON, COUNTS];
