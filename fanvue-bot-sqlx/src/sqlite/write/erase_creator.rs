//! Erasing what is held of one creator, a limited number of rows at a time.

use std::collections::BTreeSet;

use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::queue::QueueError;
use fanvue_bot_core::store::{Erased, StoreError};

use super::erase::{NOTES, WAITING, WAITING_KEYS};
use super::{Call, Transaction};
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, execute, fetch};

pub(in crate::sqlite) struct MarkingErased {
    pub(in crate::sqlite) creator: CreatorId,
}

pub(in crate::sqlite) struct ErasingCreator {
    creator: CreatorId,
    limit: i64,
}

impl ErasingCreator {
    pub(in crate::sqlite) fn of(creator: CreatorId, limit: usize) -> Self {
        Self {
            creator,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    fn key(&self) -> Result<Values, Fault> {
        Values::default().id(self.creator.as_uuid())
    }

    /// Runs each statement with the creator and the limit; answers how many rows went.
    async fn execute_all(
        &self,
        transaction: &mut Transaction<'_>,
        statements: &[&'static str],
    ) -> Result<u64, Fault> {
        let mut erased = 0;
        for sql in statements {
            let values = self.key()?.int(self.limit)?;
            erased += execute(transaction.connection, sql, values).await?;
        }
        Ok(erased)
    }

    /// Whether a whole limit of rows went, so that others may refer to what is left.
    fn is_reached(&self, erased: u64) -> bool {
        i64::try_from(erased).is_ok_and(|erased| erased >= self.limit)
    }
}

const MARK: &str = "INSERT OR IGNORE INTO erased_creators (creator_id) VALUES (?1)";

const CREATOR: &str = "DELETE FROM creators WHERE creator_id = ?1";

const MARKED: &str = "SELECT creator_id FROM erased_creators WHERE creator_id = ?1";

const MESSAGES: &str = "\
    DELETE FROM messages WHERE creator_id = ?1 AND (fan_id, id) IN (\
        SELECT fan_id, id FROM messages WHERE creator_id = ?1 ORDER BY fan_id, id LIMIT ?2)";

const TRANSACTIONS: &str = "\
    DELETE FROM transactions WHERE creator_id = ?1 AND (fan_id, id) IN (\
        SELECT fan_id, id FROM transactions WHERE creator_id = ?1 ORDER BY fan_id, id LIMIT ?2)";

const FANS: &str = "\
    DELETE FROM fans WHERE creator_id = ?1 AND fan_id IN (\
        SELECT fan_id FROM fans WHERE creator_id = ?1 ORDER BY fan_id LIMIT ?2)";

const CONVERSATIONS: &str = "\
    DELETE FROM conversations WHERE creator_id = ?1 AND fan_id IN (\
        SELECT fan_id FROM conversations WHERE creator_id = ?1 ORDER BY fan_id LIMIT ?2)";

/// A lane of claimed jobs alone, without notes of failures, ends with its claims.
const LANES: &str = "\
    SELECT l.lane_id FROM lanes AS l WHERE l.creator_id = ?1 AND EXISTS (\
        SELECT 1 FROM jobs AS j WHERE j.lane_id = l.lane_id \
        AND (j.token = 0 OR j.last_error IS NOT NULL)) \
    ORDER BY l.lane LIMIT ?2";

const DEAD_KEYS: &str = "\
    DELETE FROM job_keys WHERE seq IN (\
        SELECT seq FROM dead_letters WHERE creator_id = ?1 ORDER BY lane, seq LIMIT ?2)";

const DEAD: &str = "\
    DELETE FROM dead_letters WHERE seq IN (\
        SELECT seq FROM dead_letters WHERE creator_id = ?1 ORDER BY lane, seq LIMIT ?2)";

/// A key without an end belongs to a job that somebody has.
const ENDED_KEYS: &str = "\
    DELETE FROM job_keys WHERE creator_id = ?1 AND idempotency_key IN (\
        SELECT idempotency_key FROM job_keys WHERE creator_id = ?1 AND expires_at IS NOT NULL \
        ORDER BY idempotency_key LIMIT ?2)";

const RECIPIENTS: &str = "\
    DELETE FROM recipients WHERE creator_id = ?1 AND (broadcast_id, fan_id) IN (\
        SELECT broadcast_id, fan_id FROM recipients WHERE creator_id = ?1 \
        ORDER BY broadcast_id, fan_id LIMIT ?2)";

const BROADCASTS: &str = "\
    DELETE FROM broadcasts WHERE creator_id = ?1 AND id IN (\
        SELECT id FROM broadcasts WHERE creator_id = ?1 ORDER BY id LIMIT ?2)";

impl Call<MarkingErased, (), StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        for sql in [MARK, CREATOR] {
            let values = Values::default().id(self.args.creator.as_uuid())?;
            execute(transaction.connection, sql, values).await?;
        }
        self.outcome = Some(Ok(()));
        Ok(())
    }
}

impl Call<ErasingCreator, Erased, StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let marked = fetch(&mut *transaction.connection, MARKED, self.args.key()?).await?;
        if marked.is_empty() {
            self.outcome = Some(Err(StoreError::not_marked()));
            return Ok(());
        }
        let mut erased = 0;
        for sql in [MESSAGES, TRANSACTIONS, FANS, CONVERSATIONS] {
            let of_table = self.args.execute_all(transaction, &[sql]).await?;
            erased += of_table;
            if self.args.is_reached(of_table) {
                break;
            }
        }
        self.outcome = Some(Ok(some_or_all(erased)));
        Ok(())
    }

    pub(super) async fn run_broadcasts(
        &mut self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), Fault> {
        let mut erased = self.args.execute_all(transaction, &[RECIPIENTS]).await?;
        if !self.args.is_reached(erased) {
            erased += self.args.execute_all(transaction, &[BROADCASTS]).await?;
        }
        self.outcome = Some(Ok(some_or_all(erased)));
        Ok(())
    }
}

impl Call<ErasingCreator, Erased, QueueError> {
    pub(super) async fn run_jobs(
        &mut self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), Fault> {
        let values = self.args.key()?.int(self.args.limit)?;
        let rows = fetch(&mut *transaction.connection, LANES, values).await?;
        let mut changed = BTreeSet::new();
        for row in &rows {
            let number = Columns::new(row, "lanes").int(0, "lane_id")?;
            for sql in [WAITING_KEYS, WAITING, NOTES] {
                let values = Values::default().int(number)?;
                execute(transaction.connection, sql, values).await?;
            }
            changed.insert(number);
        }
        transaction.refresh_lanes(&changed).await?;
        let ended = [DEAD_KEYS, DEAD, ENDED_KEYS];
        let erased = self.args.execute_all(transaction, &ended).await?;
        self.outcome = Some(Ok(if rows.is_empty() {
            some_or_all(erased)
        } else {
            Erased::Some
        }));
        Ok(())
    }
}

const fn some_or_all(erased: u64) -> Erased {
    if erased == 0 {
        Erased::All
    } else {
        Erased::Some
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    MARK,
    CREATOR,
    MARKED,
    MESSAGES,
    TRANSACTIONS,
    FANS,
    CONVERSATIONS,
    LANES,
    DEAD_KEYS,
    DEAD,
    ENDED_KEYS,
    RECIPIENTS,
    BROADCASTS,
];
