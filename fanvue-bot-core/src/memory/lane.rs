//! One lane of the queue: its jobs in order, and what keeps it from being claimed.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::JobId;
use crate::queue::{FailureNote, IdempotencyKey, JobKind, OrderingKey, Priority};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) lane: OrderingKey,
    pub(super) kind: JobKind,
    pub(super) key: IdempotencyKey,
    pub(super) due: Timestamp,
    pub(super) priority: Priority,
    /// The order of enqueueing.
    pub(super) number: u64,
    pub(super) attempt: u32,
    pub(super) state: JobState,
    /// Why it was handed back last.
    pub(super) last_error: Option<FailureNote>,
}

impl Job {
    pub(super) const fn place(&self) -> (Timestamp, u64) {
        (self.due, self.number)
    }

    /// Until when this job keeps its whole lane from being claimed.
    pub(super) const fn blocks_until(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Queued => None,
            JobState::Rescheduled => Some(self.due),
            JobState::Claimed { until, .. } => Some(until),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    Queued,
    /// Handed back after a failure: the lane waits for it.
    Rescheduled,
    /// In the hands of a worker, unless lapsed.
    Claimed {
        token: u64,
        until: Timestamp,
    },
}

/// Jobs in the order of their due times, then of enqueueing.
#[derive(Debug, Default)]
pub(super) struct Lane {
    jobs: BTreeMap<(Timestamp, u64), (JobId, Priority)>,
    blocks: BTreeSet<(Timestamp, JobId)>,
    /// Which index of the queue the lane is in.
    pub(super) position: Option<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// Not to be claimed before this.
    Waiting(Timestamp),
    Ready(Rank),
}

/// Which lane of a creator goes first: better priority, then longer due, then enqueued earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(Priority, Timestamp, u64);

impl Lane {
    pub(super) fn insert(&mut self, job: &Job) {
        self.jobs.insert(job.place(), (job.id, job.priority));
        if let Some(until) = job.blocks_until() {
            self.blocks.insert((until, job.id));
        }
    }

    /// To be called with the job as it was inserted, before it changes.
    pub(super) fn remove(&mut self, job: &Job) {
        self.jobs.remove(&job.place());
        if let Some(until) = job.blocks_until() {
            self.blocks.remove(&(until, job.id));
        }
    }

    /// When the lane can be claimed: once its first job is due and nothing in it is held or backing off.
    pub(super) fn claimable_at(&self) -> Option<Timestamp> {
        let ((due, _), _) = self.jobs.first_key_value()?;
        let free = self.blocks.last().map_or(*due, |(until, _)| *until);
        Some(free.max(*due))
    }

    pub(super) fn rank(&self) -> Option<Rank> {
        let ((due, number), (_, priority)) = self.jobs.first_key_value()?;
        Some(Rank(*priority, *due, *number))
    }

    /// The jobs that are due at `now`, in order.
    pub(super) fn due(&self, now: Timestamp) -> Vec<JobId> {
        self.jobs
            .range(..=(now, u64::MAX))
            .map(|(_, (id, _))| *id)
            .collect()
    }
}
