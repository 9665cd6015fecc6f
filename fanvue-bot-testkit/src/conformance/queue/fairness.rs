//! What goes first: creators in turn, and within a creator by priority, then by due time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::queue::{ClaimLimits, ClaimedLane, JobQueue, NewJob, OrderingKey, Priority};

use super::Time;
use super::given::{conversation_id, creator_id, job};
use super::hands::{add, assert_idle, claim, claim_within, finish};

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

/// One job in each of so many lanes of these creators, all due at the same time.
async fn fill(queue: &dyn JobQueue, time: &Time, lanes: &[(u32, u32)]) {
    let now = time.now();
    let jobs: Vec<NewJob> = lanes
        .iter()
        .flat_map(|(creator, fans)| (0..*fans).map(|fan| job(*creator, fan, 1, now)))
        .collect();
    add(queue, &jobs).await;
}

fn count_of(lanes: &[ClaimedLane], creator: u32) -> usize {
    let creator = creator_id(creator);
    let of_creator = creators(lanes).into_iter().filter(|of| *of == creator);
    of_creator.count()
}

/// Few lanes, and so many that an adapter looks at them in another way.
const FLOODS: [u32; 2] = [20, 1_500];

pub async fn a_claim_takes_no_more_lanes_of_one_creator_than_it_may(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for (round, flood) in (0..).zip(FLOODS) {
        let (many, few) = (10 * round + 1, 10 * round + 2);
        fill(&*queue, &time, &[(many, flood), (few, 2)]).await;
        let limits = ClaimLimits::lanes(10).of_one_creator(3);
        let first = claim_within(&*queue, &limits, &time, time.now()).await;
        assert_eq!((count_of(&first, many), count_of(&first, few)), (3, 2));
        let second = claim_within(&*queue, &limits, &time, time.now()).await;
        assert_eq!(count_of(&second, many), 3, "in a claim, and not in all");
        assert_eq!(second.len(), 3);
        while !claim(&*queue, 1_000, &time).await.is_empty() {}
    }
}

pub async fn a_bound_for_one_creator_holds_over_its_priorities(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let priorities = [
        Priority::LiveReply,
        Priority::ApprovedDraft,
        Priority::FollowUp,
        Priority::Broadcast,
    ];
    let jobs: Vec<NewJob> = (0..)
        .zip(priorities.repeat(100))
        .take(400)
        .map(|(fan, priority)| job(1, fan, 1, now).priority(priority))
        .collect();
    add(&queue, &jobs).await;
    add(&queue, &[job(2, 1, 1, now), job(3, 1, 1, now)]).await;
    let limits = ClaimLimits::lanes(8).of_one_creator(5);
    let mut lanes = Vec::new();
    for _ in 0..2 {
        lanes.extend(claim_within(&*queue, &limits, &time, now).await);
    }
    assert!(count_of(&lanes, 1) >= 5, "{lanes:?}");
    assert_eq!((count_of(&lanes, 2), count_of(&lanes, 3)), (1, 1));
    let urgent = jobs
        .iter()
        .filter(|job| job.priority == Priority::LiveReply);
    let urgent: BTreeSet<_> = urgent.map(|job| job.ordering_key.clone()).collect();
    let taken = lanes
        .iter()
        .filter(|lane| lane.ordering_key.creator == creator_id(1));
    assert!(
        taken
            .into_iter()
            .all(|lane| urgent.contains(&lane.ordering_key))
    );
}

pub async fn a_claim_takes_nothing_of_creators_that_it_leaves_out(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for (round, flood) in (0..).zip(FLOODS) {
        let (many, some, few) = (10 * round + 1, 10 * round + 2, 10 * round + 3);
        fill(&*queue, &time, &[(many, flood), (some, 3), (few, 2)]).await;
        let limits = ClaimLimits::lanes(9).except([creator_id(many), creator_id(few)]);
        let lanes = claim_within(&*queue, &limits, &time, time.now()).await;
        assert_eq!(count_of(&lanes, some), 3);
        let lanes = claim_within(&*queue, &limits, &time, time.now()).await;
        assert_eq!(lanes, [], "nobody else has anything");
        let lanes = claim(&*queue, 9, &time).await;
        assert_eq!((count_of(&lanes, many), count_of(&lanes, few)), (7, 2));
        while !claim(&*queue, 1_000, &time).await.is_empty() {}
    }
}

pub async fn who_is_left_out_keeps_the_place_of_its_lanes(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let mut jobs: Vec<NewJob> = [(1, 10), (2, 30), (3, 20)]
        .map(|(fan, ago)| job(1, fan, 1, now.minus(SECOND * ago)))
        .into();
    jobs.push(job(2, 1, 1, now));
    add(&queue, &jobs).await;
    let limits = ClaimLimits::lanes(1).except([creator_id(1)]);
    let lanes = claim_within(&*queue, &limits, &time, now).await;
    assert_eq!(count_of(&lanes, 2), 1);
    finish(&*queue, &time, lanes).await;
    assert_eq!(
        order(&queue, &time).await,
        [lane(1, 2), lane(1, 3), lane(1, 1)]
    );
}

pub async fn creators_within_bounds_have_their_lanes_in_turn(queue: Arc<dyn JobQueue>, time: Time) {
    fill(&*queue, &time, &[(1, 300), (2, 300), (3, 300), (4, 1)]).await;
    let limits = ClaimLimits::lanes(9)
        .of_one_creator(4)
        .except([creator_id(2)]);
    let lanes = claim_within(&*queue, &limits, &time, time.now()).await;
    assert_eq!([1, 3, 4].map(|of| count_of(&lanes, of)), [4, 4, 1]);
    let first: BTreeSet<_> = creators(&lanes).into_iter().take(3).collect();
    assert_eq!(first.len(), 3, "one of each before a second of any");
}

pub async fn limits_of_nothing_take_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    fill(&*queue, &time, &[(1, 2)]).await;
    let none = [
        ClaimLimits::lanes(0),
        ClaimLimits::lanes(0).of_one_creator(1),
        ClaimLimits::lanes(5).of_one_creator(0),
        ClaimLimits::lanes(5).except([creator_id(1), creator_id(1), creator_id(7)]),
    ];
    for limits in none {
        let lanes = claim_within(&*queue, &limits, &time, time.now()).await;
        assert_eq!(lanes, [], "{limits:?}");
    }
    assert_eq!(claim(&*queue, 5, &time).await.len(), 2);
}
