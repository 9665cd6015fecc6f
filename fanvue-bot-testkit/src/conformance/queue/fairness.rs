//! What goes first: creators in turn, and within a creator by priority, then by due time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::queue::{ClaimedLane, JobQueue, NewJob, OrderingKey, Priority};

use super::Time;
use super::given::{conversation_id, creator_id, job};
use super::hands::{add, assert_idle, claim, finish};

const SECOND: Duration = Duration::from_secs(1);

fn creators(lanes: &[ClaimedLane]) -> Vec<CreatorId> {
    lanes.iter().map(|lane| lane.ordering_key.creator).collect()
}

fn lane(creator: u32, fan: u32) -> OrderingKey {
    conversation_id(creator, fan).into()
}

/// The lanes in the order in which they are claimed one by one.
async fn order(queue: &dyn JobQueue, time: &Time) -> Vec<OrderingKey> {
    let mut order = Vec::new();
    loop {
        let lanes = claim(queue, 1, time).await;
        if lanes.is_empty() {
            return order;
        }
        order.extend(lanes.iter().map(|lane| lane.ordering_key.clone()));
        finish(queue, time, lanes).await;
    }
}

pub async fn a_claim_takes_a_lane_of_each_creator_before_a_second_of_any(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let jobs: Vec<NewJob> = (1..=3)
        .flat_map(|creator| (1..=5).map(move |fan| (creator, fan)))
        .map(|(creator, fan)| job(creator, fan, 1, now))
        .collect();
    add(&queue, &jobs).await;
    let first = claim(&queue, 3, &time).await;
    let distinct: BTreeSet<_> = creators(&first).into_iter().collect();
    assert_eq!(distinct.len(), 3);
}

pub async fn claims_of_one_lane_each_go_around_the_creators(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (1..=4)
        .flat_map(|creator| (1..=3).map(move |fan| (creator, fan)))
        .map(|(creator, fan)| job(creator, fan, 1, now))
        .collect();
    add(&queue, &jobs).await;
    for _ in 0..3 {
        let mut round = BTreeSet::new();
        for _ in 0..4 {
            round.extend(creators(&claim(&queue, 1, &time).await));
        }
        assert_eq!(round.len(), 4, "one of each per round");
    }
    assert_idle(&queue, &time).await;
}

pub async fn a_creator_who_floods_the_queue_does_not_delay_another(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let flood: Vec<NewJob> = (0..2_000)
        .map(|fan| job(1, fan, 1, now.minus(SECOND * 3_600)))
        .collect();
    add(&queue, &flood).await;
    finish(&queue, &time, claim(&queue, 20, &time).await).await;
    for round in 0..5 {
        add(&queue, &[job(2, 1, round, now)]).await;
        let mut seen = false;
        for _ in 0..2 {
            let lanes = claim(&queue, 10, &time).await;
            seen |= creators(&lanes).contains(&creator_id(2));
            finish(&queue, &time, lanes).await;
        }
        assert!(seen, "not among the next 20 lanes");
    }
}

pub async fn a_flood_of_better_priority_does_not_delay_another_creator(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let flood: Vec<NewJob> = (0..200).map(|fan| job(1, fan, 1, now)).collect();
    add(&queue, &flood).await;
    add(&queue, &[job(2, 1, 1, now).priority(Priority::Broadcast)]).await;
    let mut seen = creators(&claim(&queue, 10, &time).await);
    seen.extend(creators(&claim(&queue, 10, &time).await));
    assert!(seen.contains(&creator_id(2)));
}

pub async fn a_deep_lane_does_not_delay_another_of_its_creator(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let deep: Vec<NewJob> = (0..300)
        .map(|number| job(1, 1, number, now.minus(SECOND)))
        .collect();
    add(&queue, &deep).await;
    add(&queue, &[job(1, 2, 1, now)]).await;
    let lanes = claim(&queue, 2, &time).await;
    assert!(lanes.iter().any(|found| found.ordering_key == lane(1, 2)));
}

pub async fn within_a_creator_the_better_priority_goes_first(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs = [
        (1, Priority::Broadcast, 40),
        (2, Priority::FollowUp, 30),
        (3, Priority::LiveReply, 10),
        (4, Priority::ApprovedDraft, 20),
    ]
    .map(|(fan, priority, ago)| job(1, fan, 1, now.minus(SECOND * ago)).priority(priority));
    add(&queue, &jobs).await;
    let expected = [3, 4, 2, 1].map(|fan| lane(1, fan));
    assert_eq!(order(&queue, &time).await, expected);
}

pub async fn within_a_priority_the_longer_due_goes_first(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs = [(1, 10), (2, 30), (3, 20), (4, 0)]
        .map(|(fan, ago)| job(1, fan, 1, now.minus(SECOND * ago)));
    add(&queue, &jobs).await;
    let expected = [2, 3, 1, 4].map(|fan| lane(1, fan));
    assert_eq!(order(&queue, &time).await, expected);
}

pub async fn the_first_job_of_a_lane_gives_its_priority(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs = [
        job(1, 1, 1, now.minus(SECOND * 9)).priority(Priority::Broadcast),
        job(1, 1, 2, now.minus(SECOND * 8)).priority(Priority::LiveReply),
        job(1, 2, 1, now.minus(SECOND * 2)).priority(Priority::FollowUp),
    ];
    add(&queue, &jobs).await;
    assert_eq!(order(&queue, &time).await, [lane(1, 2), lane(1, 1)]);
}

pub async fn a_job_for_later_gives_its_lane_no_priority(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs = [
        job(1, 1, 1, now + SECOND * 60).priority(Priority::LiveReply),
        job(1, 1, 2, now).priority(Priority::Broadcast),
        job(1, 2, 1, now).priority(Priority::FollowUp),
    ];
    add(&queue, &jobs).await;
    assert_eq!(order(&queue, &time).await, [lane(1, 2), lane(1, 1)]);
}
