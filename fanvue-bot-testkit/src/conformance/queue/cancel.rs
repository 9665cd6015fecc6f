//! Dropped futures: the old state or the new one, and everything goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::queue::{ClaimLimits, Enqueued, JobQueue, NewJob};
use fanvue_bot_core::time::Timestamp;

use super::Time;
use super::given::{far, job, worker};
use super::hands::{add, claim, claim_at, claims, finish, note};
use crate::conformance::cut::{CUTS, cut};

/// Everything that can still be claimed, whatever the time.
async fn drain(queue: &dyn JobQueue, time: &Time) -> Vec<JobId> {
    drain_at(queue, time, far()).await
}

/// Everything that is due at `now`.
async fn drain_at(queue: &dyn JobQueue, time: &Time, now: Timestamp) -> Vec<JobId> {
    let mut drained = Vec::new();
    loop {
        let lanes = claim_at(queue, 100, time, now).await;
        if lanes.is_empty() {
            return drained;
        }
        drained.extend(
            lanes
                .iter()
                .flat_map(|lane| lane.jobs.iter().map(|job| job.claim.job)),
        );
        finish(queue, time, lanes).await;
    }
}

pub async fn a_dropped_enqueue_adds_all_or_none(queue: Arc<dyn JobQueue>, time: Time) {
    for (round, polls) in (0..).zip(CUTS) {
        let jobs: Vec<NewJob> = (0..5)
            .map(|number| job(1, number, round * 10 + number, time.now()))
            .collect();
        let done = cut(polls, queue.enqueue(&jobs)).await;
        // Idempotent: the caller who does not know enqueues again.
        let again = queue.enqueue(&jobs).await.unwrap();
        let duplicates = again
            .iter()
            .filter(|answer| **answer == Enqueued::Duplicate)
            .count();
        if done.is_some() {
            assert_eq!(duplicates, 5);
        } else {
            assert!(duplicates == 0 || duplicates == 5, "{duplicates} of 5");
        }
        // At a time at which the names of what has ended are still taken: the dropped call may be under way.
        let drained = drain_at(&queue, &time, time.now()).await;
        assert_eq!(drained.len(), 5);
    }
}

pub async fn a_dropped_claim_leaves_the_lane_free_or_leased(queue: Arc<dyn JobQueue>, time: Time) {
    for (round, polls) in (0..).zip(CUTS) {
        let id = add(&queue, &[job(1, 1, round, time.now())]).await;
        let (claimer, limits) = (worker(1), ClaimLimits::lanes(1));
        let claiming = queue.claim(&claimer, &limits, time.now(), time.short());
        drop(cut(polls, claiming).await);
        // Taken by nobody who knows, it comes back when its lease lapses.
        time.outlast().await;
        assert_eq!(drain(&queue, &time).await, id);
    }
}

pub async fn a_dropped_completion_ends_all_or_none(queue: Arc<dyn JobQueue>, time: Time) {
    for (round, polls) in (0..).zip(CUTS) {
        let jobs: Vec<NewJob> = (0..4)
            .map(|number| job(1, number, round * 10 + number, time.now()))
            .collect();
        let added: BTreeSet<JobId> = add(&queue, &jobs).await.into_iter().collect();
        let lanes = queue
            .claim(
                &worker(1),
                &ClaimLimits::lanes(10),
                time.now(),
                time.short(),
            )
            .await
            .unwrap();
        let held: Vec<_> = lanes
            .into_iter()
            .flat_map(|lane| claims(lane.jobs))
            .collect();
        let done = cut(polls, queue.complete(held, time.now())).await;
        time.outlast().await;
        let left: BTreeSet<JobId> = drain(&queue, &time).await.into_iter().collect();
        if done.is_some() {
            assert!(left.is_empty(), "done, but not ended");
        } else {
            assert!(left.is_empty() || left == added, "{} of 4", left.len());
        }
    }
}

pub async fn a_dropped_rescheduling_leaves_the_job_held_or_handed_back(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for (round, polls) in (0..).zip(CUTS) {
        let id = add(&queue, &[job(1, 1, round, time.now())]).await;
        let held = super::hands::claim_briefly(&queue, &time).await.remove(0);
        let due = time.now();
        drop(cut(polls, queue.reschedule(held.claim, due, &note())).await);
        time.outlast().await;
        assert_eq!(drain(&queue, &time).await, id);
    }
}

pub async fn a_dropped_giving_up_leaves_the_job_held_or_given_up(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for (round, polls) in (0..).zip(CUTS) {
        let id = add(&queue, &[job(1, 1, round, time.now())]).await;
        let held = super::hands::claim_briefly(&queue, &time).await.remove(0);
        let cause = note();
        let done = cut(polls, queue.dead_letter(held.claim, time.now(), &cause)).await;
        time.outlast().await;
        let left = drain(&queue, &time).await;
        assert!(left.is_empty() || (done.is_none() && left == id));
    }
}

pub async fn a_dropped_extension_leaves_the_lease_as_it_was_or_extended(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for (round, polls) in (0..).zip(CUTS) {
        add(&queue, &[job(1, 1, round, time.now())]).await;
        let held = claims(super::hands::claim_briefly(&queue, &time).await);
        drop(cut(polls, queue.extend(&held, time.now(), time.long())).await);
        // Either way it is held by nobody else, and ends.
        queue.complete(held, time.now()).await.unwrap();
    }
}

pub async fn a_dropped_wait_changes_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    for polls in 0..4 {
        drop(cut(polls, queue.ready()).await);
    }
    let id = add(&queue, &[job(1, 1, 1, time.now())]).await;
    let lanes = claim(&queue, 1, &time).await;
    assert_eq!(lanes[0].jobs[0].claim.job, id[0]);
}
