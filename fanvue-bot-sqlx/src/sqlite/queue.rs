//! The queue: every method is one operation of the writer, but for the wait.

use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedLane, Enqueued, FailureNote, JobQueue, JobRecord, NewJob,
    OrderingKey, QueueError, WorkerId,
};
use fanvue_bot_core::store::Erased;
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::sql::{Columns, Values, fetch};
use super::store::MOST_ITEMS;
use super::write::{
    Call, Claiming, Completing, DeadLettering, ErasingCreator, ErasingLane, Extending, Op,
    Rescheduling,
};
use super::{SqliteBackend, wake};
use crate::cursor::JobCursor;
use crate::job_id;
use crate::page::{none_of, one_more_than, page_of};
use crate::row::{CorruptField, StandingRow};
use crate::signal::Found;

/// Those that live and those that were given up, which alone have a time of that.
const JOBS: &str = "\
    SELECT seq, id, kind, priority, due_at, attempt, last_error, NULL FROM jobs \
    WHERE lane_id = (SELECT lane_id FROM lanes WHERE creator_id = ?1 AND lane = ?2) AND seq > ?3 \
    UNION ALL SELECT seq, id, kind, priority, due_at, attempt, cause, failed_at FROM dead_letters \
    WHERE creator_id = ?1 AND lane = ?2 AND seq > ?3 ORDER BY 1 LIMIT ?4";

#[async_trait]
impl JobQueue for SqliteBackend {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        match self.intake(None, jobs).await {
            Ok(written) => Ok(written.enqueued),
            Err(BackendError::Queue(error)) => Err(error),
            Err(other) => Err(QueueError::unavailable(other)),
        }
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, QueueError> {
        let args = Claiming {
            worker: worker.clone(),
            limits: limits.clone(),
            now,
            lease,
        };
        let seen = self.signal().seen();
        let claimed = Call::make(self.inbox(), args, Op::Claim).await;
        if let Ok(lanes) = &claimed {
            let found = Found::by(limits, lanes);
            self.signal().claimed(seen, now, found);
        }
        claimed
    }

    async fn extend(
        &self,
        claims: &[Claim],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Claim>, QueueError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let args = Extending {
            claims: claims.iter().map(Claim::duplicate).collect(),
            now,
            lease,
        };
        Call::make(self.inbox(), args, Op::Extend).await
    }

    async fn complete(&self, claims: Vec<Claim>, now: Timestamp) -> Result<(), QueueError> {
        if claims.is_empty() {
            return Ok(());
        }
        Call::make(self.inbox(), Completing { claims, now }, Op::Complete).await
    }

    async fn reschedule(
        &self,
        claim: Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        let args = Rescheduling {
            claim,
            due,
            cause: cause.clone(),
        };
        Call::make(self.inbox(), args, Op::Reschedule).await
    }

    async fn dead_letter(
        &self,
        claim: Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        let args = DeadLettering {
            claim,
            now,
            cause: cause.clone(),
        };
        Call::make(self.inbox(), args, Op::DeadLetter).await
    }

    async fn jobs(
        &self,
        lane: &OrderingKey,
        page: &PageRequest,
    ) -> Result<Page<JobRecord>, QueueError> {
        let after = match &page.after {
            Some(cursor) => JobCursor::decode(cursor, lane)?.seq,
            None => i64::MIN,
        };
        let limit = page.limit.min(MOST_ITEMS);
        if limit == 0 {
            return Ok(none_of(page));
        }
        let values = Values::default()
            .id(lane.creator.as_uuid())?
            .id(lane.lane)?
            .int(after)?
            .int(one_more_than(limit))?;
        let rows = fetch(self.readers(), JOBS, values).await?;
        let item = |row: &_| Ok(standing(row)?.into_domain()?);
        page_of(&rows, limit, item, |last: &JobRecord| {
            let seq = job_id::sequence(last.job);
            JobCursor { seq }.encode(lane)
        })
    }

    async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError> {
        let args = ErasingLane { lane: lane.clone() };
        Call::make(self.inbox(), args, Op::EraseLane).await
    }

    async fn erase_lanes_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, QueueError> {
        let args = ErasingCreator::of(creator, limit);
        Call::make(self.inbox(), args, Op::EraseJobs).await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        let poll = self.options().queue.poll_interval;
        Ok(wake::ready(self.signal(), self.readers(), poll).await?)
    }
}

fn standing(row: &SqliteRow) -> Result<StandingRow, CorruptField> {
    let columns = Columns::new(row, "jobs");
    Ok(StandingRow {
        id: columns.id(1, "id")?,
        kind: columns.text(2, "kind")?,
        priority: columns.int(3, "priority")?,
        due: columns.int(4, "due_at")?,
        attempt: columns.int(5, "attempt")?,
        cause: columns.text_or_null(6, "last_error")?,
        failed_at: columns.int_or_null(7, "failed_at")?,
    })
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[JOBS];
