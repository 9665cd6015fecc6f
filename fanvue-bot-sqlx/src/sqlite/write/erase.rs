//! Erasing what is held of one conversation, a limited number of rows at a time.

use std::collections::BTreeSet;

use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::queue::{OrderingKey, QueueError};
use fanvue_bot_core::store::{Erased, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::{Call, Transaction};
use crate::row::keys_of_lane;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, execute, fetch};

pub(in crate::sqlite) struct ErasingMessages {
    pub(in crate::sqlite) conversation: ConversationId,
    pub(in crate::sqlite) through: Timestamp,
    pub(in crate::sqlite) limit: i64,
}

pub(in crate::sqlite) struct ErasingLane {
    pub(in crate::sqlite) lane: OrderingKey,
}

const FAN: &str = "DELETE FROM fans WHERE creator_id = ?1 AND fan_id = ?2";

const MESSAGES: &str = "\
    DELETE FROM messages WHERE creator_id = ?1 AND fan_id = ?2 AND id IN (\
        SELECT id FROM messages WHERE creator_id = ?1 AND fan_id = ?2 AND sent_at <= ?3 \
        ORDER BY sent_at DESC, id DESC LIMIT ?4)";

const TRANSACTIONS: &str = "\
    DELETE FROM transactions WHERE creator_id = ?1 AND fan_id = ?2 AND id IN (\
        SELECT id FROM transactions WHERE creator_id = ?1 AND fan_id = ?2 AND at <= ?3 \
        ORDER BY at DESC, id DESC LIMIT ?4)";

const LANE: &str = "SELECT lane_id FROM lanes WHERE creator_id = ?1 AND lane = ?2";

pub(super) const WAITING_KEYS: &str = "\
    DELETE FROM job_keys WHERE seq IN (SELECT seq FROM jobs WHERE lane_id = ?1 AND token = 0)";

pub(super) const WAITING: &str = "DELETE FROM jobs WHERE lane_id = ?1 AND token = 0";

pub(super) const NOTES: &str =
    "UPDATE jobs SET last_error = NULL WHERE lane_id = ?1 AND last_error IS NOT NULL";

const DEAD_KEYS: &str = "\
    DELETE FROM job_keys WHERE seq IN (\
        SELECT seq FROM dead_letters WHERE creator_id = ?1 AND lane = ?2)";

const DEAD: &str = "DELETE FROM dead_letters WHERE creator_id = ?1 AND lane = ?2";

/// A key without an end belongs to a job that somebody has.
const ENDED_KEYS: &str = "\
    DELETE FROM job_keys WHERE creator_id = ?1 AND idempotency_key >= ?2 AND idempotency_key < ?3 \
    AND expires_at IS NOT NULL";

impl Call<ErasingMessages, Erased, StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let ErasingMessages {
            conversation,
            through,
            limit,
        } = &self.args;
        let key = || {
            Values::default()
                .id(conversation.creator.as_uuid())?
                .id(conversation.fan.as_uuid())
        };
        execute(transaction.connection, FAN, key()?).await?;
        let mut most = 0;
        for sql in [MESSAGES, TRANSACTIONS] {
            let values = key()?.int(through.as_micros())?.int(*limit)?;
            most = execute(transaction.connection, sql, values)
                .await?
                .max(most);
        }
        self.outcome = Some(Ok(if i64::try_from(most).is_ok_and(|most| most < *limit) {
            Erased::All
        } else {
            Erased::Some
        }));
        Ok(())
    }
}

impl Call<ErasingLane, (), QueueError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let lane = &self.args.lane;
        let key = || Values::default().id(lane.creator.as_uuid())?.id(lane.lane);
        let connection = &mut *transaction.connection;
        let rows = fetch(&mut *connection, LANE, key()?).await?;
        let mut changed = BTreeSet::new();
        for row in &rows {
            let number = Columns::new(row, "lanes").int(0, "lane_id")?;
            for sql in [WAITING_KEYS, WAITING, NOTES] {
                execute(connection, sql, Values::default().int(number)?).await?;
            }
            changed.insert(number);
        }
        for sql in [DEAD_KEYS, DEAD] {
            execute(connection, sql, key()?).await?;
        }
        let (from, to) = keys_of_lane(lane);
        let values = Values::default()
            .id(lane.creator.as_uuid())?
            .text(from)?
            .text(to)?;
        execute(connection, ENDED_KEYS, values).await?;
        transaction.refresh_lanes(&changed).await?;
        self.outcome = Some(Ok(()));
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    FAN,
    MESSAGES,
    TRANSACTIONS,
    LANE,
    WAITING_KEYS,
    WAITING,
    NOTES,
    DEAD_KEYS,
    DEAD,
    ENDED_KEYS,
];
