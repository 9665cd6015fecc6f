//! The queue's rows and indexes, without a lock: the contract of [`JobQueue`](crate::queue::JobQueue) as
//! plain code. Every operation costs a few tree look-ups per job it touches, however many others wait.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use uuid::Uuid;

use super::lane::{Job, JobState, Lane, Position, Rank};
use super::signal::Signal;
use crate::id::{CreatorId, JobId};
use crate::queue::{
    Claim, ClaimLimits, ClaimedJob, ClaimedLane, Enqueued, FailureNote, IdempotencyKey, JobKind,
    NewJob, OrderingKey, Priority, QueueError,
};
use crate::time::Timestamp;

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Which job.
    pub job: JobId,
    /// What it asked for.
    pub kind: JobKind,
    /// Its lane.
    pub ordering_key: OrderingKey,
    /// Its name.
    pub idempotency_key: IdempotencyKey,
    /// When it was due last.
    pub due: Timestamp,
    /// What went first.
    pub priority: Priority,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub cause: FailureNote,
}

#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) lanes: BTreeMap<OrderingKey, Lane>,
    /// Lanes by the time from which they can be claimed.
    waiting: BTreeSet<(Timestamp, OrderingKey)>,
    /// Lanes whose time had come at some claim, by creator.
    ready: BTreeMap<CreatorId, BTreeSet<(Rank, Uuid)>>,
    /// The creator whose lane was claimed last: the next claim goes on behind it.
    last_served: Option<CreatorId>,
    pub(super) keys: BTreeSet<(CreatorId, IdempotencyKey)>,
    /// Keys whose jobs have ended, by the time from which they are free again.
    pub(super) retained: BTreeSet<(Timestamp, CreatorId, IdempotencyKey)>,
    retention: Duration,
    pub(super) dead: Vec<DeadLetter>,
    last_job: u64,
    last_token: u64,
    pub(super) signal: Signal,
}

impl Lanes {
    pub(super) fn new(retention: Duration) -> Self {
        Self {
            jobs: BTreeMap::new(),
            lanes: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ready: BTreeMap::new(),
            last_served: None,
            keys: BTreeSet::new(),
            retained: BTreeSet::new(),
            retention,
            dead: Vec::new(),
            last_job: 0,
            last_token: 0,
            signal: Signal::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead.clone()
    }

    /// The earliest time at which a claim finds something.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let ready = self.ready.iter().filter_map(|(creator, lanes)| {
            let (_, lane) = lanes.first()?;
            let lane = OrderingKey {
                creator: *creator,
                lane: *lane,
            };
            self.lanes.get(&lane)?.claimable_at()
        });
        ready.chain(self.waiting.first().map(|(at, _)| *at)).min()
    }

    pub(super) fn enqueue(&mut self, jobs: &[NewJob]) -> Vec<Enqueued> {
        let answers: Vec<Enqueued> = jobs.iter().map(|job| self.add(job)).collect();
        if answers.iter().any(|answer| *answer != Enqueued::Duplicate) {
            self.signal.raise();
        }
        answers
    }

    fn add(&mut self, new: &NewJob) -> Enqueued {
        let lane = &new.ordering_key;
        if !self
            .keys
            .insert((lane.creator, new.idempotency_key.clone()))
        {
            return Enqueued::Duplicate;
        }
        self.last_job += 1;
        let id = job_id(self.last_job);
        let job = Job {
            id,
            lane: lane.clone(),
            kind: new.kind.clone(),
            key: new.idempotency_key.clone(),
            due: new.due,
            priority: new.priority,
            number: self.last_job,
            attempt: 0,
            state: JobState::Queued,
            last_error: None,
        };
        self.lanes.entry(lane.clone()).or_default().insert(&job);
        self.jobs.insert(id, job);
        self.place(lane);
        Enqueued::New(id)
    }

    pub(super) fn claim(
        &mut self,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Vec<ClaimedLane> {
        self.forget_keys(now);
        self.promote(now);
        let mut claimed = Vec::new();
        if limits.is_nothing() {
            return claimed;
        }
        // Who gets nothing more: those that are left out, and who has as many lanes as one creator gets.
        let mut passed_over: BTreeSet<CreatorId> = limits.except.iter().copied().collect();
        let mut taken: BTreeMap<CreatorId, usize> = BTreeMap::new();
        let mut left_some = false;
        while claimed.len() < limits.lanes {
            let Some(lane) = self.next_ready(&passed_over) else {
                break;
            };
            if self
                .lanes
                .get(&lane)
                .and_then(Lane::claimable_at)
                .is_some_and(|at| at <= now)
            {
                let of_creator = taken.entry(lane.creator).or_default();
                *of_creator += 1;
                if *of_creator == limits.of_one_creator {
                    passed_over.insert(lane.creator);
                    left_some = true;
                }
                claimed.push(self.take(lane, now, lease));
            } else {
                // An earlier claim came from a clock that is ahead of this one.
                self.place(&lane);
            }
        }
        if claimed.len() < limits.lanes && !left_some {
            self.signal.clear();
        }
        claimed
    }

    pub(super) fn extend(
        &mut self,
        claims: &[Claim],
        now: Timestamp,
        lease: Duration,
    ) -> Vec<Claim> {
        let until = now + lease;
        let mut held = Vec::new();
        for claim in claims {
            let extended = self.change(claim, |job| {
                job.state = JobState::Claimed {
                    token: claim.token,
                    until,
                };
            });
            if extended {
                held.push(Claim {
                    job: claim.job,
                    token: claim.token,
                    leased_until: until,
                });
            }
        }
        held
    }

    pub(super) fn complete(&mut self, claims: &[Claim], now: Timestamp) -> Result<(), QueueError> {
        let lost: Vec<JobId> = claims
            .iter()
            .filter(|claim| self.end(claim, now).is_none())
            .map(|claim| claim.job)
            .collect();
        if lost.len() < claims.len() {
            self.signal.raise();
        }
        if lost.is_empty() {
            Ok(())
        } else {
            Err(QueueError::ClaimLost { jobs: lost })
        }
    }

    pub(super) fn reschedule(
        &mut self,
        claim: &Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        let changed = self.change(claim, |job| {
            job.due = due;
            job.last_error = Some(cause.clone());
            job.state = JobState::Rescheduled;
        });
        if !changed {
            return Err(lost(claim));
        }
        self.signal.raise();
        Ok(())
    }

    pub(super) fn dead_letter(
        &mut self,
        claim: &Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        let job = self.end(claim, now).ok_or_else(|| lost(claim))?;
        self.dead.push(DeadLetter {
            job: job.id,
            kind: job.kind,
            ordering_key: job.lane,
            idempotency_key: job.key,
            due: job.due,
            priority: job.priority,
            attempts: job.attempt,
            at: now,
            cause: cause.clone(),
        });
        self.signal.raise();
        Ok(())
    }

    /// Changes the job if `claim` still holds it.
    fn change(&mut self, claim: &Claim, act: impl FnOnce(&mut Job)) -> bool {
        let Some(job) = self.jobs.get_mut(&claim.job) else {
            return false;
        };
        if !is_held_by(job, claim) {
            return false;
        }
        let key = job.lane.clone();
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.remove(job);
            act(job);
            lane.insert(job);
        }
        self.place(&key);
        true
    }

    /// Removes the job if `claim` still holds it; its key stays taken for the retention time.
    fn end(&mut self, claim: &Claim, now: Timestamp) -> Option<Job> {
        let job = match self.jobs.entry(claim.job) {
            std::collections::btree_map::Entry::Occupied(job) if is_held_by(job.get(), claim) => {
                job.remove()
            }
            _ => return None,
        };
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.remove(&job);
        }
        self.place(&job.lane);
        self.retained
            .insert((now + self.retention, job.lane.creator, job.key.clone()));
        Some(job)
    }

    /// Hands out all due jobs of a lane that can be claimed. Lapsed claims on it are void from here on.
    fn take(&mut self, key: OrderingKey, now: Timestamp, lease: Duration) -> ClaimedLane {
        let until = now + lease;
        let mut jobs = Vec::new();
        if let Some(lane) = self.lanes.get_mut(&key) {
            for id in lane.due(now) {
                let Some(job) = self.jobs.get_mut(&id) else {
                    continue;
                };
                self.last_token += 1;
                lane.remove(job);
                job.attempt = job.attempt.saturating_add(1);
                job.state = JobState::Claimed {
                    token: self.last_token,
                    until,
                };
                lane.insert(job);
                jobs.push(ClaimedJob {
                    claim: Claim {
                        job: id,
                        token: self.last_token,
                        leased_until: until,
                    },
                    kind: job.kind.clone(),
                    due: job.due,
                    attempt: job.attempt,
                });
            }
        }
        self.place(&key);
        self.last_served = Some(key.creator);
        ClaimedLane {
            ordering_key: key,
            jobs,
        }
    }

    /// The best lane of the creator whose turn it is, but for those that are passed over.
    fn next_ready(&self, passed_over: &BTreeSet<CreatorId>) -> Option<OrderingKey> {
        let behind = self.last_served.map_or(Bound::Unbounded, Bound::Excluded);
        let (creator, lanes) = self
            .ready
            .range((behind, Bound::Unbounded))
            .chain(&self.ready)
            .find(|(creator, _)| !passed_over.contains(creator))?;
        let (_, lane) = lanes.first()?;
        Some(OrderingKey {
            creator: *creator,
            lane: *lane,
        })
    }

    /// Moves lanes whose time has come from `waiting` to `ready`.
    fn promote(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.waiting.first().cloned()
            && at <= now
        {
            self.unplace(&key);
            if let Some(lane) = self.lanes.get_mut(&key)
                && let Some(rank) = lane.rank()
            {
                lane.position = Some(Position::Ready(rank));
                self.ready
                    .entry(key.creator)
                    .or_default()
                    .insert((rank, key.lane));
            }
        }
    }

    /// Puts a lane that changed into `waiting`, or drops it if it is empty.
    pub(super) fn place(&mut self, key: &OrderingKey) {
        self.unplace(key);
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        match lane.claimable_at() {
            Some(at) => {
                lane.position = Some(Position::Waiting(at));
                self.waiting.insert((at, key.clone()));
            }
            None => {
                self.lanes.remove(key);
            }
        }
    }

    fn unplace(&mut self, key: &OrderingKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        match lane.position.take() {
            Some(Position::Waiting(at)) => {
                self.waiting.remove(&(at, key.clone()));
            }
            Some(Position::Ready(rank)) => {
                if let Some(lanes) = self.ready.get_mut(&key.creator) {
                    lanes.remove(&(rank, key.lane));
                    if lanes.is_empty() {
                        self.ready.remove(&key.creator);
                    }
                }
            }
            None => {}
        }
    }

    fn forget_keys(&mut self, now: Timestamp) {
        while let Some((free, _, _)) = self.retained.first()
            && *free <= now
        {
            if let Some((_, creator, key)) = self.retained.pop_first() {
                self.keys.remove(&(creator, key));
            }
        }
    }
}

fn is_held_by(job: &Job, claim: &Claim) -> bool {
    matches!(job.state, JobState::Claimed { token, .. } if token == claim.token)
}

fn lost(claim: &Claim) -> QueueError {
    QueueError::ClaimLost {
        jobs: vec![claim.job],
    }
}

/// The id of the `number`th job: a version 7 UUID whose time is the number, since the queue has no clock.
fn job_id(number: u64) -> JobId {
    let high = (u128::from(number >> 12) << 16) | 0x7000 | u128::from(number & 0x0fff);
    JobId::from_uuid(Uuid::from_u128((high << 64) | (1 << 63)))
}
