//! The queue: every method is one operation of the writer, but for the wait.

use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::queue::{
    Claim, ClaimedLane, Enqueued, FailureNote, JobQueue, NewJob, QueueError, WorkerId,
};
use fanvue_bot_core::time::Timestamp;

use super::write::{Call, Claiming, Completing, DeadLettering, Extending, Op, Rescheduling};
use super::{SqliteBackend, wake};

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
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, QueueError> {
        let args = Claiming {
            worker: worker.clone(),
            limit,
            now,
            lease,
        };
        let seen = self.signal().seen();
        let claimed = Call::make(self.inbox(), args, Op::Claim).await;
        if let Ok(lanes) = &claimed {
            self.signal().claimed(seen, now, !lanes.is_empty());
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

    async fn ready(&self) -> Result<(), QueueError> {
        let poll = self.options().queue.poll_interval;
        Ok(wake::ready(self.signal(), self.readers(), poll).await?)
    }
}
