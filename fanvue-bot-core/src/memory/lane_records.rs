//! What the queue holds of one lane: listed, and erased.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::lane::{Job, JobState};
use super::lanes::{DeadLetter, Lanes};
use crate::id::{CreatorId, JobId};
use crate::page::{Cursor, Page, PageRequest};
use crate::queue::{IdempotencyKey, JobRecord, JobStanding, OrderingKey, QueueError};
use crate::store::Erased;

impl Lanes {
    pub(super) fn records(
        &self,
        lane: &OrderingKey,
        page: &PageRequest,
    ) -> Result<Page<JobRecord>, QueueError> {
        let after = match &page.after {
            Some(cursor) => Some(read_cursor(lane, cursor)?),
            None => None,
        };
        let open = self.jobs.values().filter(|job| job.lane == *lane).map(open);
        let dead = self.dead.iter().filter(|dead| dead.ordering_key == *lane);
        let mut rest: Vec<JobRecord> = open
            .chain(dead.map(given_up))
            .filter(|record| after.is_none_or(|after| record.job > after))
            .collect();
        // Ids are given in the order of enqueueing.
        rest.sort_by_key(|record| record.job);
        let more = rest.len() > page.limit;
        rest.truncate(page.limit);
        let next = match rest.last() {
            Some(last) => more.then(|| write_cursor(lane, last.job)),
            None => page.after.clone().filter(|_| more),
        };
        Ok(Page { items: rest, next })
    }

    pub(super) fn erase(&mut self, lane: &OrderingKey) {
        let mut keys: Vec<IdempotencyKey> = Vec::new();
        let of_lane = self.jobs.values().filter(|job| job.lane == *lane);
        for id in of_lane.map(|job| job.id).collect::<Vec<_>>() {
            let Some(job) = self.jobs.get_mut(&id) else {
                continue;
            };
            job.last_error = None;
            if matches!(job.state, JobState::Claimed { .. }) {
                continue;
            }
            if let Some(jobs) = self.lanes.get_mut(lane) {
                jobs.remove(job);
            }
            keys.extend(self.jobs.remove(&id).map(|job| job.key));
        }
        self.place(lane);
        self.dead.retain(|dead| {
            if dead.ordering_key == *lane {
                keys.push(dead.idempotency_key.clone());
            }
            dead.ordering_key != *lane
        });
        let prefix = IdempotencyKey::prefix_of(lane);
        self.retained.retain(|(_, creator, key)| {
            let erased = *creator == lane.creator
                && (key.as_str().starts_with(&prefix) || keys.contains(key));
            if erased {
                self.keys.remove(&(*creator, key.clone()));
            }
            !erased
        });
        for key in keys {
            self.keys.remove(&(lane.creator, key));
        }
    }

    pub(super) fn erase_lanes_of(&mut self, creator: CreatorId, limit: usize) -> Erased {
        let of_creator = |lane: &OrderingKey| lane.creator == creator;
        let open = self.jobs.values().filter(|job| {
            job.last_error.is_some() || !matches!(job.state, JobState::Claimed { .. })
        });
        let lanes: BTreeSet<OrderingKey> = open
            .map(|job| &job.lane)
            .chain(self.dead.iter().map(|dead| &dead.ordering_key))
            .filter(|lane| of_creator(lane))
            .cloned()
            .collect();
        for lane in lanes.iter().take(limit) {
            self.erase(lane);
        }
        let mut keys = 0;
        self.retained.retain(|(_, owner, key)| {
            let erased = *owner == creator && keys < limit;
            if erased {
                keys += 1;
                self.keys.remove(&(*owner, key.clone()));
            }
            !erased
        });
        if lanes.len() < limit && keys < limit {
            Erased::All
        } else {
            Erased::Some
        }
    }
}

fn open(job: &Job) -> JobRecord {
    JobRecord {
        job: job.id,
        kind: job.kind.clone(),
        due: job.due,
        priority: job.priority,
        attempts: job.attempt,
        standing: JobStanding::Open {
            last_error: job.last_error.clone(),
        },
    }
}

fn given_up(dead: &DeadLetter) -> JobRecord {
    JobRecord {
        job: dead.job,
        kind: dead.kind.clone(),
        due: dead.due,
        priority: dead.priority,
        attempts: dead.attempts,
        standing: JobStanding::GivenUp {
            at: dead.at,
            cause: dead.cause.clone(),
        },
    }
}

/// `creator/lane/job`: a keyset.
fn write_cursor(lane: &OrderingKey, last: JobId) -> Cursor {
    Cursor::new(format!("jobs/{}/{}/{last}", lane.creator, lane.lane))
}

fn read_cursor(lane: &OrderingKey, cursor: &Cursor) -> Result<JobId, QueueError> {
    let list = format!("jobs/{}/{}/", lane.creator, lane.lane);
    let job = cursor.as_str().strip_prefix(&list);
    job.and_then(|job| Uuid::try_parse(job).ok())
        .map(JobId::from_uuid)
        .ok_or(QueueError::InvalidCursor)
}
