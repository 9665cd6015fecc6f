//! Leases: at least once after a crash, fenced after a takeover.

use std::sync::Arc;

use fanvue_bot_core::queue::{Claim, ClaimLimits, JobQueue, NewJob};

use super::Time;
use super::given::{far, job, worker};
use super::hands::{
    add, assert_idle, assert_idle_at, assert_lost, claim, claim_briefly, claim_job, claim_lane,
    claims, finish, ids, note,
};

pub async fn the_jobs_of_a_lapsed_lease_are_handed_out_again(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let added = add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, now)]).await;
    let dead = claim_briefly(&queue, &time).await;
    assert_idle(&queue, &time).await;
    time.outlast().await;
    let again = claim_lane(&queue, &time).await;
    assert_eq!(ids(&again), added);
    for (first, second) in dead.iter().zip(&again) {
        assert_eq!((first.attempt, second.attempt), (1, 2));
        assert!(second.claim.token > first.claim.token, "the token grows");
        assert_eq!(second.due, first.due);
    }
}

pub async fn what_a_dead_worker_had_finished_does_not_come_back(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let jobs: Vec<NewJob> = (1..=3).map(|number| job(1, 1, number, now)).collect();
    let added = add(&queue, &jobs).await;
    let mut held = claims(claim_briefly(&queue, &time).await);
    queue.complete(vec![held.remove(0)], now).await.unwrap();
    time.outlast().await;
    assert_eq!(ids(&claim_lane(&queue, &time).await), added[1..]);
}

pub async fn jobs_that_came_meanwhile_are_handed_out_with_the_lapsed_ones(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let mut added = add(&queue, &[job(1, 1, 1, now)]).await;
    claim_briefly(&queue, &time).await;
    added.extend(add(&queue, &[job(1, 1, 2, now)]).await);
    time.outlast().await;
    let together = claim_lane(&queue, &time).await;
    assert_eq!(ids(&together), added);
    let attempts: Vec<u32> = together.iter().map(|job| job.attempt).collect();
    assert_eq!(attempts, [2, 1]);
}

pub async fn a_claim_that_was_taken_over_can_do_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let id = add(&queue, &[job(1, 1, 1, now)]).await[0];
    let lost = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    let held = claim_job(&queue, &time).await.claim;

    let now = time.now();
    let extended = queue.extend(&[lost.duplicate()], now, time.long()).await;
    assert_eq!(extended.unwrap(), []);
    assert_lost(queue.complete(vec![lost.duplicate()], now).await, &[id]);
    assert_lost(
        queue.reschedule(lost.duplicate(), now, &note()).await,
        &[id],
    );
    assert_lost(queue.dead_letter(lost, now, &note()).await, &[id]);

    // The one who took over is not disturbed.
    assert_idle(&queue, &time).await;
    queue.complete(vec![held], now).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn a_claim_that_was_taken_over_and_finished_can_do_nothing(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let id = add(&queue, &[job(1, 1, 1, now)]).await[0];
    let lost = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    assert_lost(queue.complete(vec![lost], time.now()).await, &[id]);
}

pub async fn the_lost_are_left_to_their_taker_and_the_others_end(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let id = add(&queue, &[job(1, 1, 1, now)]).await[0];
    let lost = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    let taken = claim_job(&queue, &time).await.claim;
    add(&queue, &[job(1, 2, 1, now)]).await;
    let kept = claim_job(&queue, &time).await.claim;
    assert_lost(queue.complete(vec![lost, kept], time.now()).await, &[id]);
    queue.complete(vec![taken], time.now()).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn a_lapsed_claim_that_nobody_took_still_ends_its_job(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let late = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    queue.complete(vec![late], time.now()).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn a_lapsed_claim_that_nobody_took_can_be_extended(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let late = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    let extended = queue
        .extend(&[late.duplicate()], time.now(), time.long())
        .await
        .unwrap();
    assert_eq!(extended.len(), 1);
    assert_idle(&queue, &time).await;
    queue.complete(vec![late], time.now()).await.unwrap();
}

pub async fn an_extended_lease_outlasts_the_first_one(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let held = claim_briefly(&queue, &time).await.remove(0).claim;
    let now = time.now();
    let extended = queue
        .extend(&[held.duplicate()], now, time.long())
        .await
        .unwrap();
    assert_eq!(extended.len(), 1);
    assert_eq!(extended[0].job, held.job);
    time.assert_ends(extended[0].leased_until, now, time.long());
    time.outlast().await;
    assert_idle(&queue, &time).await;
}

pub async fn a_lease_can_be_extended_many_times(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let held = claim_briefly(&queue, &time).await.remove(0).claim;
    let mut extended = vec![held];
    for _ in 0..5 {
        time.advance(time.short() / 2);
        extended = queue
            .extend(&extended, time.now(), time.short())
            .await
            .unwrap();
        assert_eq!(extended.len(), 1);
        assert_idle(&queue, &time).await;
    }
    queue.complete(extended, time.now()).await.unwrap();
}

pub async fn an_extended_lease_lapses_too(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let held = claim_briefly(&queue, &time).await.remove(0).claim;
    queue
        .extend(&[held.duplicate()], time.now(), time.short())
        .await
        .unwrap();
    time.outlast().await;
    assert_eq!(claim_job(&queue, &time).await.attempt, 2);
}

pub async fn extending_does_not_count_as_an_attempt(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    for _ in 0..3 {
        queue
            .extend(&[held.duplicate()], now, time.long())
            .await
            .unwrap();
    }
    queue.reschedule(held, now, &note()).await.unwrap();
    assert_eq!(claim_job(&queue, &time).await.attempt, 2);
}

pub async fn a_claim_ends_its_job_after_a_duplicate_of_it_was_extended(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let held = claim_job(&queue, &time).await.claim;
    queue
        .extend(&[held.duplicate()], now, time.long())
        .await
        .unwrap();
    queue.complete(vec![held], now).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn extending_nothing_answers_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    let extended = queue.extend(&[], time.now(), time.long()).await.unwrap();
    assert_eq!(extended, []);
}

pub async fn extending_answers_with_those_that_are_still_held(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let taken_over = claim_briefly(&queue, &time).await.remove(0).claim;
    time.outlast().await;
    claim_job(&queue, &time).await;

    let now = time.now();
    let jobs: Vec<NewJob> = (2..=5).map(|fan| job(1, fan, 1, now)).collect();
    let added = add(&queue, &jobs).await;
    let mut held: Vec<Claim> = claim(&queue, 10, &time)
        .await
        .into_iter()
        .flat_map(|lane| claims(lane.jobs))
        .collect();
    held.sort_by_key(|claim| added.iter().position(|id| *id == claim.job));
    let [done, back, dead, kept] = [0, 1, 2, 3].map(|index| held[index].duplicate());
    queue.complete(vec![done], now).await.unwrap();
    queue.reschedule(back, now, &note()).await.unwrap();
    queue.dead_letter(dead, now, &note()).await.unwrap();

    held.push(taken_over);
    let extended = queue.extend(&held, now, time.long()).await.unwrap();
    let still: Vec<_> = extended.iter().map(|claim| claim.job).collect();
    assert_eq!(still, [kept.job]);
}

pub async fn hundreds_of_leases_are_extended_in_one_call(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let jobs: Vec<NewJob> = (0..300)
        .map(|number| job(1, number % 150, number, now))
        .collect();
    add(&queue, &jobs).await;
    let lanes = queue
        .claim(&worker(1), &ClaimLimits::lanes(1_000), now, time.short())
        .await
        .unwrap();
    let held: Vec<Claim> = lanes
        .into_iter()
        .flat_map(|lane| claims(lane.jobs))
        .collect();
    let extended = queue.extend(&held, time.now(), time.long()).await.unwrap();
    assert_eq!(extended.len(), held.len());
    time.outlast().await;
    let busy: Vec<_> = held.iter().map(|claim| claim.job).collect();
    for lane in claim(&queue, 1_000, &time).await {
        assert!(lane.jobs.iter().all(|job| !busy.contains(&job.claim.job)));
    }
}

pub async fn a_lane_is_free_once_all_its_leases_have_lapsed(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let added = add(&queue, &[job(1, 1, 1, now), job(1, 1, 2, now)]).await;
    let mut held = claims(claim_briefly(&queue, &time).await);
    let kept = held.remove(1);
    queue
        .extend(&[kept.duplicate()], time.now(), time.long())
        .await
        .unwrap();
    time.outlast().await;
    assert_idle(&queue, &time).await;
    queue.complete(vec![kept], time.now()).await.unwrap();
    assert_eq!(ids(&claim_lane(&queue, &time).await), added[..1]);
}

pub async fn an_abandoned_job_comes_back_as_often_as_it_is_abandoned(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let mut last_token = 0;
    for attempt in 1..=4 {
        let jobs = claim_briefly(&queue, &time).await;
        assert_eq!(jobs[0].attempt, attempt);
        assert!(jobs[0].claim.token > last_token);
        last_token = jobs[0].claim.token;
        time.outlast().await;
    }
}
