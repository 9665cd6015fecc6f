//! Lanes: claimed as a whole, in order, by one worker at a time.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::queue::{ClaimLimits, JobQueue, NewJob};

use super::Time;
use super::given::{conversation_id, job, worker};
use super::hands::{
    add, assert_idle, assert_idle_at, claim, claim_at, claim_job, claim_job_at, claim_lane,
    claim_lane_at, claims, finish, ids, note,
};

const SECOND: Duration = Duration::from_secs(1);

pub async fn a_claim_of_no_lanes_takes_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    assert_eq!(claim(&queue, 0, &time).await, []);
    claim_job(&queue, &time).await;
}

pub async fn a_claim_takes_at_most_as_many_lanes_as_asked(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (0..10).map(|fan| job(1, fan, 1, now)).collect();
    add(&queue, &jobs).await;
    assert_eq!(claim(&queue, 3, &time).await.len(), 3);
    assert_eq!(claim(&queue, 4, &time).await.len(), 4);
    assert_eq!(claim(&queue, 100, &time).await.len(), 3);
    assert_idle(&queue, &time).await;
}

pub async fn a_job_is_not_claimed_before_it_is_due(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let due = now + SECOND * 60;
    add(&queue, &[job(1, 1, 1, due)]).await;
    assert_idle_at(&queue, &time, now).await;
    assert_idle_at(&queue, &time, due.minus(Duration::from_micros(1))).await;
    assert_eq!(claim_job_at(&queue, &time, due).await.due, due);
}

pub async fn all_due_jobs_of_a_lane_are_claimed_together_by_due_time(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let jobs: Vec<NewJob> = [30, 10, 20, 5]
        .into_iter()
        .zip(1..)
        .map(|(before, number)| job(1, 1, number, now.minus(SECOND * before)))
        .collect();
    let added = add(&queue, &jobs).await;
    let claimed = claim_lane(&queue, &time).await;
    assert_eq!(ids(&claimed), [added[0], added[2], added[1], added[3]]);
}

pub async fn jobs_due_at_the_same_time_come_in_the_order_of_enqueueing(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let mut added = Vec::new();
    for number in 1..=3 {
        added.extend(add(&queue, &[job(1, 1, number, now)]).await);
    }
    let jobs: Vec<NewJob> = (4..=9).map(|number| job(1, 1, number, now)).collect();
    added.extend(add(&queue, &jobs).await);
    assert_eq!(ids(&claim_lane(&queue, &time).await), added);
}

pub async fn a_deep_lane_drains_in_order(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let mut added = Vec::new();
    for batch in 0..4 {
        let jobs: Vec<NewJob> = (0..250)
            .map(|number| job(1, 1, batch * 250 + number, now))
            .collect();
        added.extend(add(&queue, &jobs).await);
    }
    let mut drained = Vec::new();
    while drained.len() < added.len() {
        let jobs = claim_lane(&queue, &time).await;
        drained.extend(ids(&jobs));
        queue.complete(claims(jobs), now).await.unwrap();
    }
    assert_eq!(drained, added);
    assert_idle(&queue, &time).await;
}

pub async fn a_held_lane_goes_to_nobody_else(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await;
    add(&queue, &[job(1, 1, 2, now)]).await;
    for number in [2, 3] {
        let lanes = queue
            .claim(&worker(number), &ClaimLimits::lanes(10), now, time.long())
            .await
            .unwrap();
        assert_eq!(lanes, []);
    }
    queue.complete(vec![held.claim], now).await.unwrap();
    claim_job(&queue, &time).await;
}

pub async fn a_held_lane_does_not_go_twice_to_the_same_worker(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    claim_job(&queue, &time).await;
    add(&queue, &[job(1, 1, 2, now)]).await;
    assert_idle(&queue, &time).await;
}

pub async fn a_lane_stays_held_until_its_last_job_ends(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (1..=3).map(|number| job(1, 1, number, now)).collect();
    add(&queue, &jobs).await;
    let mut held = claims(claim_lane(&queue, &time).await);
    let added = add(&queue, &[job(1, 1, 4, now)]).await;
    while let Some(claim) = held.pop() {
        assert_idle(&queue, &time).await;
        queue.complete(vec![claim], now).await.unwrap();
    }
    assert_eq!(ids(&claim_lane(&queue, &time).await), added);
}

pub async fn other_lanes_of_the_creator_are_free_while_one_is_held(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    claim_job(&queue, &time).await;
    let added = add(&queue, &[job(1, 2, 1, now)]).await;
    assert_eq!(ids(&claim_lane(&queue, &time).await), added);
}

pub async fn the_same_fan_of_two_creators_is_two_lanes(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now), job(2, 1, 1, now)]).await;
    let mut lanes = claim(&queue, 10, &time).await;
    lanes.sort_by(|a, b| a.ordering_key.cmp(&b.ordering_key));
    let keys: Vec<_> = lanes.iter().map(|lane| lane.ordering_key.clone()).collect();
    let expected = [(1, 1), (2, 1)].map(|(creator, fan)| conversation_id(creator, fan).into());
    assert_eq!(keys, expected);
    assert!(lanes.iter().all(|lane| lane.jobs.len() == 1));
}

pub async fn a_job_for_later_does_not_block_its_lane(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let later = now + SECOND * 60;
    let added = add(&queue, &[job(1, 1, 1, later), job(1, 1, 2, now)]).await;
    let first = claim_lane(&queue, &time).await;
    assert_eq!(ids(&first), added[1..]);
    queue.complete(claims(first), now).await.unwrap();
    assert_idle(&queue, &time).await;
    let second = claim_lane_at(&queue, &time, later).await;
    assert_eq!(ids(&second), added[..1]);
}

pub async fn a_job_that_comes_due_while_its_lane_is_held_waits_for_it(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let later = now + SECOND;
    let added = add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, later)]).await;
    let held = claim_lane(&queue, &time).await;
    assert_idle_at(&queue, &time, later).await;
    queue.complete(claims(held), now).await.unwrap();
    let next = claim_lane_at(&queue, &time, later).await;
    assert_eq!(ids(&next), added[1..]);
}

pub async fn a_rescheduled_job_blocks_its_lane_until_it_is_due(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let due = now + SECOND * 60;
    let failed = add(&queue, &[job(1, 1, 1, now)]).await;
    let claimed = claim_job(&queue, &time).await;
    queue.reschedule(claimed.claim, due, &note()).await.unwrap();
    let added = add(&queue, &[job(1, 1, 2, now), job(1, 1, 3, due + SECOND)]).await;
    assert_idle_at(&queue, &time, now).await;
    assert_idle_at(&queue, &time, due.minus(Duration::from_micros(1))).await;
    let together = claim_lane_at(&queue, &time, due).await;
    assert_eq!(ids(&together), [added[0], failed[0]], "by due time");
}

pub async fn a_lane_waits_for_the_last_of_its_rescheduled_jobs(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let added = add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, now)]).await;
    let mut held = claims(claim_lane(&queue, &time).await);
    let due = now + SECOND * 60;
    let (second, first) = (held.remove(1), held.remove(0));
    queue.reschedule(first, due, &note()).await.unwrap();
    let later = due + SECOND * 60;
    queue.reschedule(second, later, &note()).await.unwrap();
    assert_idle_at(&queue, &time, due).await;
    assert_eq!(ids(&claim_lane_at(&queue, &time, later).await), added);
}

pub async fn a_rescheduled_job_does_not_free_a_lane_that_is_held(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, now)]).await;
    let mut held = claims(claim_lane(&queue, &time).await);
    let second = held.remove(1);
    queue
        .reschedule(held.remove(0), now, &note())
        .await
        .unwrap();
    assert_idle(&queue, &time).await;
    queue.complete(vec![second], now).await.unwrap();
    assert_eq!(claim_job(&queue, &time).await.attempt, 2);
}

pub async fn a_blocked_lane_does_not_block_another(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let claimed = claim_job(&queue, &time).await;
    queue
        .reschedule(claimed.claim, now + SECOND, &note())
        .await
        .unwrap();
    let added = add(&queue, &[job(1, 2, 1, now)]).await;
    assert_eq!(ids(&claim_lane(&queue, &time).await), added);
}

pub async fn a_lane_can_be_filled_and_emptied_again_and_again(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for round in 0..20 {
        let added = add(&queue, &[job(1, 1, round, time.now())]).await;
        let lanes = claim(&queue, 10, &time).await;
        assert_eq!(ids(&lanes[0].jobs), added);
        finish(&queue, &time, lanes).await;
        assert_idle(&queue, &time).await;
    }
}

pub async fn a_claim_by_a_clock_that_was_set_back_finds_only_what_is_due_by_it(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let later = now + SECOND * 60;
    add(&queue, &[job(1, 1, 1, later), job(1, 2, 1, later)]).await;
    assert_eq!(claim_at(&queue, 1, &time, later).await.len(), 1);
    assert_idle_at(&queue, &time, now).await;
    assert_eq!(claim_at(&queue, 10, &time, later).await.len(), 1);
}
