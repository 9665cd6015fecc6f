//! Adding jobs: all or none, and each name once.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanvue_bot_core::queue::{Enqueued, IdempotencyKey, JobKind, JobQueue, NewJob, Priority};
use fanvue_bot_core::time::Timestamp;

use super::Time;
use super::given::{at, conversation_id, job, odd_texts, odd_times};
use super::hands::{add, assert_idle, claim, claim_at, claim_job, claim_lane, finish, ids, note};

pub async fn an_empty_queue_yields_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    assert_idle(&queue, &time).await;
}

pub async fn enqueueing_nothing_answers_nothing(queue: Arc<dyn JobQueue>, time: Time) {
    assert_eq!(queue.enqueue(&[]).await.unwrap(), []);
    assert_idle(&queue, &time).await;
}

pub async fn a_job_is_claimed_as_it_was_enqueued(queue: Arc<dyn JobQueue>, time: Time) {
    let due = time.now();
    let id = add(&queue, &[job(1, 2, 3, due)]).await;
    let now = time.now();
    let lanes = claim(&queue, 10, &time).await;
    assert_eq!(lanes.len(), 1);
    assert_eq!(lanes[0].ordering_key, conversation_id(1, 2).into());
    let claimed = &lanes[0].jobs[0];
    assert_eq!(lanes[0].jobs.len(), 1);
    assert_eq!(claimed.claim.job, id[0]);
    assert_eq!(claimed.attempt, 1);
    assert_eq!(claimed.due, due);
    let conversation = conversation_id(1, 2);
    assert_eq!(claimed.kind, JobKind::Wake { conversation });
    time.assert_ends(claimed.claim.leased_until, now, time.long());
}

pub async fn answers_come_in_the_order_of_the_jobs(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 2, now)]).await;
    let mixed: Vec<NewJob> = (1..=4).map(|number| job(1, 1, number, now)).collect();
    let answers = queue.enqueue(&mixed).await.unwrap();
    let new: Vec<bool> = answers
        .iter()
        .map(|answer| *answer != Enqueued::Duplicate)
        .collect();
    assert_eq!(new, [true, false, true, true]);
    assert_eq!(claim_lane(&queue, &time).await.len(), 4);
}

pub async fn every_new_job_gets_an_id_of_its_own(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let mut all = BTreeSet::new();
    for call in 0..5 {
        let jobs: Vec<NewJob> = (0..20)
            .map(|number| job(1 + number % 2, 1, call * 100 + number, now))
            .collect();
        all.extend(add(&queue, &jobs).await);
    }
    assert_eq!(all.len(), 100);
}

pub async fn a_name_that_is_taken_is_a_duplicate_and_adds_nothing(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let first = add(&queue, &[job(1, 1, 1, now)]).await;
    let again = queue.enqueue(&[job(1, 1, 1, now)]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
    assert_eq!(ids(&claim_lane(&queue, &time).await), first);
}

pub async fn of_two_equal_names_in_one_call_the_second_is_a_duplicate(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let twice = [job(1, 1, 1, now), job(1, 1, 2, now), job(1, 1, 1, now)];
    let answers = queue.enqueue(&twice).await.unwrap();
    let [
        Enqueued::New(first),
        Enqueued::New(second),
        Enqueued::Duplicate,
    ] = answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(ids(&claim_lane(&queue, &time).await), [first, second]);
}

pub async fn a_duplicate_does_not_change_the_first(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let first = job(1, 1, 1, now).priority(Priority::FollowUp);
    add(&queue, &[first]).await;
    let mut later = job(1, 1, 1, now + time.long());
    later.ordering_key = conversation_id(1, 2).into();
    let again = queue.enqueue(&[later]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
    let lanes = claim(&queue, 10, &time).await;
    assert_eq!(lanes[0].ordering_key, conversation_id(1, 1).into());
    assert_eq!(lanes[0].jobs[0].due, now);
}

pub async fn a_name_belongs_to_the_tenant_and_not_to_the_lane(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    let key = IdempotencyKey::new("the-same");
    let named = |creator, fan| NewJob::wake(conversation_id(creator, fan), now, key.clone());
    add(&queue, &[named(1, 1)]).await;
    let answers = queue.enqueue(&[named(1, 2), named(2, 1)]).await.unwrap();
    assert_eq!(answers[0], Enqueued::Duplicate);
    assert!(matches!(answers[1], Enqueued::New(_)));
    assert_eq!(claim(&queue, 10, &time).await.len(), 2);
}

pub async fn a_name_stays_taken_while_its_job_is_claimed(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    claim_job(&queue, &time).await;
    let again = queue.enqueue(&[job(1, 1, 1, now)]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
}

pub async fn a_name_stays_taken_after_its_job_was_completed(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    let again = queue.enqueue(&[job(1, 1, 1, now)]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
    assert_idle(&queue, &time).await;
}

pub async fn a_name_stays_taken_after_its_job_was_given_up(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let claimed = claim_job(&queue, &time).await;
    queue
        .dead_letter(claimed.claim, now, &note())
        .await
        .unwrap();
    let again = queue.enqueue(&[job(1, 1, 1, now)]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
    assert_idle(&queue, &time).await;
}

pub async fn a_name_stays_taken_while_its_job_waits_for_another_try(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let now = time.now();
    add(&queue, &[job(1, 1, 1, now)]).await;
    let claimed = claim_job(&queue, &time).await;
    queue
        .reschedule(claimed.claim, now + time.long(), &note())
        .await
        .unwrap();
    let again = queue.enqueue(&[job(1, 1, 1, now)]).await.unwrap();
    assert_eq!(again, [Enqueued::Duplicate]);
}

pub async fn long_and_odd_names_are_told_apart(queue: Arc<dyn JobQueue>, time: Time) {
    let mut texts: Vec<String> = odd_texts()
        .iter()
        .map(|text| text.chars().take(40).collect())
        .collect();
    texts.push("x".repeat(199));
    texts.push("x".repeat(200));
    texts.push("X".repeat(200));
    texts.sort();
    texts.dedup();
    let now = time.now();
    let jobs: Vec<NewJob> = texts
        .iter()
        .map(|text| {
            let key = IdempotencyKey::new(text.clone());
            NewJob::wake(conversation_id(1, 1), now, key)
        })
        .collect();
    add(&queue, &jobs).await;
    let again = queue.enqueue(&jobs).await.unwrap();
    assert!(again.iter().all(|answer| *answer == Enqueued::Duplicate));
}

pub async fn jobs_at_the_ends_of_time_are_kept(queue: Arc<dyn JobQueue>, time: Time) {
    let times = odd_times();
    let jobs: Vec<NewJob> = (1..)
        .zip(&times)
        .map(|(number, due)| job(1, number, 1, *due))
        .collect();
    add(&queue, &jobs).await;
    let mut claimed: Vec<Timestamp> = claim_at(&queue, 100, &time, Timestamp::MAX)
        .await
        .into_iter()
        .flat_map(|lane| lane.jobs)
        .map(|job| job.due)
        .collect();
    claimed.sort();
    assert_eq!(claimed, times);
}

pub async fn ten_thousand_jobs_fit_in_one_call(queue: Arc<dyn JobQueue>, time: Time) {
    let due = at(0);
    let jobs: Vec<NewJob> = (0..10_000)
        .map(|number| job(1 + number % 3, number % 500, number, due))
        .collect();
    let all: BTreeSet<_> = add(&queue, &jobs).await.into_iter().collect();
    assert_eq!(all.len(), 10_000);
    let mut claimed = BTreeSet::new();
    loop {
        let lanes = claim(&queue, 100, &time).await;
        if lanes.is_empty() {
            break;
        }
        for lane in &lanes {
            for id in ids(&lane.jobs) {
                assert!(claimed.insert(id), "handed out twice");
            }
        }
        finish(&queue, &time, lanes).await;
    }
    assert_eq!(claimed, all);
}

pub async fn concurrent_calls_with_one_name_add_it_once(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16 {
        let queue = Arc::clone(&queue);
        callers.spawn(async move {
            let jobs = [job(1, 1, 100 + caller, now), job(1, 1, 1, now)];
            queue.enqueue(&jobs).await.unwrap()
        });
    }
    let mut shared = 0;
    for answers in callers.join_all().await {
        assert!(matches!(answers[0], Enqueued::New(_)), "its own name");
        shared += usize::from(answers[1] != Enqueued::Duplicate);
    }
    assert_eq!(shared, 1, "the shared name");
    assert_eq!(claim_lane(&queue, &time).await.len(), 17);
}
