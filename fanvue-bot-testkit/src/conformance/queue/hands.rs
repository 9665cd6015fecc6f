//! What the queue's cases do over and over.

use std::collections::BTreeMap;

use fanvue_bot_core::id::{CreatorId, JobId};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedJob, ClaimedLane, Enqueued, FailureNote, JobKind, JobQueue, NewJob,
    OrderingKey, QueueError,
};
use fanvue_bot_core::time::Timestamp;

use super::Time;
use super::given::worker;

/// Enqueues jobs that must all be new.
pub(super) async fn add(queue: &dyn JobQueue, jobs: &[NewJob]) -> Vec<JobId> {
    queue
        .enqueue(jobs)
        .await
        .unwrap()
        .into_iter()
        .map(|answer| match answer {
            Enqueued::New(id) => id,
            Enqueued::Duplicate => panic!("a duplicate"),
        })
        .collect()
}

/// Claims for worker 1 under a long lease.
pub(super) async fn claim(queue: &dyn JobQueue, limit: usize, time: &Time) -> Vec<ClaimedLane> {
    claim_at(queue, limit, time, time.now()).await
}

/// Claims for worker 1 under a long lease what is due at `now`.
pub(super) async fn claim_at(
    queue: &dyn JobQueue,
    limit: usize,
    time: &Time,
    now: Timestamp,
) -> Vec<ClaimedLane> {
    claim_within(queue, &ClaimLimits::lanes(limit), time, now).await
}

/// Claims for worker 1 under a long lease what is due at `now`, within these limits.
pub(super) async fn claim_within(
    queue: &dyn JobQueue,
    limits: &ClaimLimits,
    time: &Time,
    now: Timestamp,
) -> Vec<ClaimedLane> {
    let lanes = queue
        .claim(&worker(1), limits, now, time.long())
        .await
        .unwrap();
    assert!(lanes.len() <= limits.lanes, "more than the limit");
    let mut of_creators: BTreeMap<CreatorId, usize> = BTreeMap::new();
    for lane in &lanes {
        *of_creators.entry(lane.ordering_key.creator).or_default() += 1;
    }
    for (creator, lanes) in of_creators {
        assert!(lanes <= limits.of_one_creator, "{lanes} of {creator}");
        assert!(!limits.except.contains(&creator), "{creator} is left out");
    }
    for lane in &lanes {
        assert!(!lane.jobs.is_empty(), "an empty lane");
        assert!(
            lane.jobs.is_sorted_by_key(|job| job.due),
            "out of order: {lane:?}"
        );
        for job in &lane.jobs {
            assert!(job.due <= now, "not due yet: {job:?}");
            let JobKind::Wake { conversation } = &job.kind else {
                panic!("{:?}", job.kind);
            };
            assert_eq!(lane.ordering_key, OrderingKey::from(*conversation));
        }
    }
    lanes
}

/// Claims the one lane that must be there, and answers with its jobs.
pub(super) async fn claim_lane(queue: &dyn JobQueue, time: &Time) -> Vec<ClaimedJob> {
    claim_lane_at(queue, time, time.now()).await
}

pub(super) async fn claim_lane_at(
    queue: &dyn JobQueue,
    time: &Time,
    now: Timestamp,
) -> Vec<ClaimedJob> {
    let mut lanes = claim_at(queue, 10, time, now).await;
    assert_eq!(lanes.len(), 1, "{lanes:?}");
    lanes.remove(0).jobs
}

/// Claims the one lane with its one job, which must be there.
pub(super) async fn claim_job(queue: &dyn JobQueue, time: &Time) -> ClaimedJob {
    claim_job_at(queue, time, time.now()).await
}

pub(super) async fn claim_job_at(queue: &dyn JobQueue, time: &Time, now: Timestamp) -> ClaimedJob {
    let mut jobs = claim_lane_at(queue, time, now).await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

/// Claims as [`claim_lane`] does, under a lease that [`Time::outlast`] outlasts.
pub(super) async fn claim_briefly(queue: &dyn JobQueue, time: &Time) -> Vec<ClaimedJob> {
    let mut lanes = queue
        .claim(
            &worker(9),
            &ClaimLimits::lanes(10),
            time.now(),
            time.short(),
        )
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1, "{lanes:?}");
    lanes.remove(0).jobs
}

/// Nothing can be claimed at `now`.
pub(super) async fn assert_idle_at(queue: &dyn JobQueue, time: &Time, now: Timestamp) {
    let lanes = claim_at(queue, 10, time, now).await;
    assert_eq!(lanes, []);
}

pub(super) async fn assert_idle(queue: &dyn JobQueue, time: &Time) {
    assert_idle_at(queue, time, time.now()).await;
}

pub(super) fn ids(jobs: &[ClaimedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.claim.job).collect()
}

pub(super) fn claims(jobs: Vec<ClaimedJob>) -> Vec<Claim> {
    jobs.into_iter().map(|job| job.claim).collect()
}

/// Ends all jobs of these lanes.
pub(super) async fn finish(queue: &dyn JobQueue, time: &Time, lanes: Vec<ClaimedLane>) {
    let claims = lanes
        .into_iter()
        .flat_map(|lane| claims(lane.jobs))
        .collect();
    queue.complete(claims, time.now()).await.unwrap();
}

pub(super) fn note() -> FailureNote {
    FailureNote::new("the model did not answer")
}

/// The answer names exactly these jobs as lost.
pub(super) fn assert_lost(result: Result<(), QueueError>, expected: &[JobId]) {
    match result {
        Err(QueueError::ClaimLost { mut jobs }) => {
            let mut expected = expected.to_vec();
            expected.sort();
            jobs.sort();
            assert_eq!(jobs, expected);
        }
        other => panic!("{other:?}"),
    }
}
