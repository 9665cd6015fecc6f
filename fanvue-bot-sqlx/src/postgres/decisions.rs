//! Decisions, listed and counted: one call each.

use async_trait::async_trait;
use fanvue_bot_core::admin::{AdminQueries, DecidedMessage, DecisionsOf, TimeSpan};
use fanvue_bot_core::decision::Reason;
use fanvue_bot_core::id::{ConversationId, CreatorId, FanId, MessageId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;
use sqlx::postgres::PgRow;

use super::PostgresBackend;
use super::sql::{Columns, Values};
use super::store::MOST_ITEMS;
use crate::cursor::DecisionCursor;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{CorruptField, DecisionRow};

const DECISIONS: &str = "\
    SELECT fan_id, id, sent_at, outcome, decision, decided_at \
    FROM fanvue_bot.decisions_after($1, $2, $3, $4, $5, $6, $7)";

const COUNTS: &str = "SELECT reason, decisions FROM fanvue_bot.decision_counts($1, $2, $3, $4)";

#[async_trait]
impl AdminQueries for PostgresBackend {
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
        let (fan, reason) = match of {
            DecisionsOf::Fan(id) => (Some(id.fan.as_uuid()), None),
            DecisionsOf::Creator(_) => (None, None),
            DecisionsOf::Reason(_, reason) => (None, Some(reason.as_str())),
        };
        let values = Values::default()
            .add(of.creator().as_uuid())?
            .add(fan)?
            .add(reason)?
            .add(one_more_than(limit))?
            .add(after.decided_at)?
            .add(after.fan)?
            .add(after.id)?;
        let rows = self.database().call(DECISIONS, values).await?;
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
        let values = Values::default()
            .add(creator.as_uuid())?
            .add(names)?
            .add(span.from.as_micros())?
            .add(span.to.as_micros())?;
        let rows = self.database().call(COUNTS, values).await?;
        let counts = rows
            .iter()
            .map(|row| {
                let columns = Columns::new(row, "messages");
                let reason = Reason::from_name(columns.get(0, "reason")?)
                    .ok_or_else(|| columns.corrupt("reason", "a reason"))?;
                let count: i64 = columns.get(1, "reason")?;
                let count =
                    u64::try_from(count).map_err(|_| columns.corrupt("reason", "counted"))?;
                Ok((reason, count))
            })
            .collect::<Result<Vec<_>, CorruptField>>()?;
        Ok(counts)
    }
}

fn decided(row: &PgRow, creator: CreatorId) -> Result<DecidedMessage, CorruptField> {
    let columns = Columns::new(row, "messages");
    let fan = FanId::from_uuid(columns.get(0, "fan_id")?);
    let decision = DecisionRow {
        outcome: columns.get::<String>(3, "outcome")?.into(),
        detail: columns.get(4, "decision")?,
        decided_at: columns.get(5, "decided_at")?,
    };
    Ok(DecidedMessage {
        conversation: ConversationId::new(creator, fan),
        message: MessageId::from_uuid(columns.get(1, "id")?),
        sent_at: Timestamp::from_micros(columns.get(2, "sent_at")?),
        decision: decision.into_domain()?,
    })
}
