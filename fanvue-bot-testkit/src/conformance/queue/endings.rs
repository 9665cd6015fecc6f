//! How jobs end: done, handed back, given up, and each once.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::queue::{FailureNote, JobQueue, NewJob};

use super::Time;
use super::given::{far, job, odd_texts};
use super::hands::{
    add, assert_idle, assert_idle_at, assert_lost, claim, claim_at, claim_job, claim_job_at,
    claim_lane, claims, finish, ids, note,
};

const SECOND: Duration = Duration::from_secs(1);

pub async fn a_completed_job_is_never_claimed_again(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    assert_idle(&queue, &time).await;
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn completing_nothing_is_fine(queue: Arc<dyn JobQueue>, time: Time) {
    queue.complete(Vec::new(), time.now()).await.unwrap();
}

pub async fn jobs_of_many_lanes_complete_in_one_call(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (0..300)
        .map(|number| job(1 + number % 3, number % 100, number, now))
        .collect();
    add(&queue, &jobs).await;
    let mut all = Vec::new();
    loop {
        let lanes = claim(&queue, 1_000, &time).await;
        if lanes.is_empty() {
            break;
        }
        all.extend(lanes.into_iter().flat_map(|lane| claims(lane.jobs)));
        assert!(all.len() <= 300, "handed out twice");
    }
    assert_eq!(all.len(), 300);
    queue.complete(all, now).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn a_claim_ends_its_job_once(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    let id = held.job;
    queue.complete(vec![held.duplicate()], now).await.unwrap();
    assert_lost(queue.complete(vec![held.duplicate()], now).await, &[id]);
    let due = now + SECOND;
    assert_lost(
        queue.reschedule(held.duplicate(), due, &note()).await,
        &[id],
    );
    assert_lost(queue.dead_letter(held, now, &note()).await, &[id]);
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn a_claim_on_a_job_that_never_was_is_lost(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let mut foreign = claim_job(&queue, &time).await.claim.duplicate();
    foreign.job = "5b0f3c1e-0000-7000-8000-00000000dead".parse().unwrap();
    let id: JobId = foreign.job;
    assert_lost(queue.complete(vec![foreign.duplicate()], now).await, &[id]);
    assert_lost(
        queue.reschedule(foreign.duplicate(), now, &note()).await,
        &[id],
    );
    assert_lost(queue.dead_letter(foreign, now, &note()).await, &[id]);
}

pub async fn a_claim_with_a_wrong_token_is_lost(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    for token in [0, held.token - 1, held.token + 1, i64::MAX.unsigned_abs()] {
        let mut forged = held.duplicate();
        forged.token = token;
        assert_lost(queue.complete(vec![forged], now).await, &[held.job]);
    }
    queue.complete(vec![held], now).await.unwrap();
}

pub async fn a_rescheduled_job_comes_back_with_the_next_attempt(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let mut now = time.now();
    let id = add(&queue, &[job(1, 1, 1, now)]).await[0];
    let mut last_token = 0;
    for attempt in 1..=5 {
        let claimed = claim_job_at(&queue, &time, now).await;
        assert_eq!(claimed.claim.job, id);
        assert_eq!(claimed.attempt, attempt);
        assert_eq!(claimed.due, now);
        assert!(claimed.claim.token > last_token, "the token grows");
        last_token = claimed.claim.token;
        now = now + SECOND * 30;
        queue.reschedule(claimed.claim, now, &note()).await.unwrap();
    }
}

pub async fn a_job_rescheduled_to_the_past_is_due_at_once(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let claimed = claim_job(&queue, &time).await;
    let past = now.minus(SECOND * 60);
    queue
        .reschedule(claimed.claim, past, &note())
        .await
        .unwrap();
    let again = claim_job(&queue, &time).await;
    assert_eq!((again.attempt, again.due), (2, past));
}

pub async fn rescheduling_spends_the_claim(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    let id = held.job;
    let due = now + SECOND * 60;
    queue
        .reschedule(held.duplicate(), due, &note())
        .await
        .unwrap();
    assert_lost(queue.complete(vec![held.duplicate()], now).await, &[id]);
    assert_lost(queue.reschedule(held, now, &note()).await, &[id]);
    assert_idle(&queue, &time).await;
    claim_job_at(&queue, &time, due).await;
}

pub async fn a_job_that_was_given_up_is_never_claimed_again(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    queue.dead_letter(held, now, &note()).await.unwrap();
    assert_idle(&queue, &time).await;
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn the_lane_of_a_job_that_was_given_up_goes_on(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let added = add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, now)]).await;
    let mut held = claims(claim_lane(&queue, &time).await);
    let second = held.remove(1);
    queue
        .dead_letter(held.remove(0), now, &note())
        .await
        .unwrap();
    assert_idle(&queue, &time).await;
    queue.reschedule(second, now, &note()).await.unwrap();
    let new = add(&queue, &[job(1, 1, 3, now)]).await;
    assert_eq!(ids(&claim_lane(&queue, &time).await), [added[1], new[0]]);
}

pub async fn giving_up_spends_the_claim(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    let id = held.job;
    queue
        .dead_letter(held.duplicate(), now, &note())
        .await
        .unwrap();
    assert_lost(queue.complete(vec![held.duplicate()], now).await, &[id]);
    assert_lost(queue.dead_letter(held, now, &note()).await, &[id]);
}

pub async fn any_note_is_taken(queue: Arc<dyn JobQueue>, time: Time) {
    for (number, text) in (1..).zip(odd_texts()) {
        let now = time.now();
        let cause = FailureNote::new(&*text);
        add(&queue, &[job(1, 1, number, now)]).await;
        let held = claim_job(&queue, &time).await.claim;
        queue.reschedule(held, now, &cause).await.unwrap();
        let held = claim_job(&queue, &time).await.claim;
        queue.dead_letter(held, now, &cause).await.unwrap();
    }
}

pub async fn the_lost_of_many_are_named_and_the_others_end(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (1..=4).map(|fan| job(1, fan, 1, now)).collect();
    let added = add(&queue, &jobs).await;
    let held: Vec<_> = claim_at(&queue, 10, &time, now)
        .await
        .into_iter()
        .flat_map(|lane| claims(lane.jobs))
        .collect();
    let gone: Vec<_> = held
        .iter()
        .filter(|claim| [added[1], added[3]].contains(&claim.job))
        .map(fanvue_bot_core::queue::Claim::duplicate)
        .collect();
    queue.complete(gone, now).await.unwrap();
    assert_lost(queue.complete(held, now).await, &[added[1], added[3]]);
    assert_idle_at(&queue, &time, far()).await;
}
