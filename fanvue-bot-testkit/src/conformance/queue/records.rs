//! What the queue holds of one lane: listed, and erased; and of one creator: erased.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::queue::{
    Enqueued, FailureNote, IdempotencyKey, JobQueue, JobRecord, JobStanding, NewJob, OrderingKey,
    Priority, QueueError,
};
use fanvue_bot_core::store::Erased;

use super::Time;
use super::given::{conversation_id, creator_id, far, job};
use super::hands::{add, assert_idle_at, claim, claim_job, claim_job_at, claims, finish, note};

const SECOND: Duration = Duration::from_secs(1);

fn lane(creator: u32, fan: u32) -> OrderingKey {
    conversation_id(creator, fan).into()
}

/// As [`job`], under a name that goes with its lane.
fn named(creator: u32, fan: u32, number: u32, time: &Time) -> NewJob {
    let mut job = job(creator, fan, number, time.now());
    job.idempotency_key = IdempotencyKey::in_lane(&lane(creator, fan), &format!("wake/{number}"));
    job
}

/// Reads page by page until the end.
async fn read(queue: &dyn JobQueue, lane: &OrderingKey, limit: usize) -> Vec<JobRecord> {
    let (mut seen, mut page) = (Vec::new(), PageRequest::first(limit));
    for _ in 0..1_000 {
        let answer = queue.jobs(lane, &page).await.unwrap();
        assert!(answer.items.len() <= limit, "more than the limit");
        seen.extend(answer.items);
        match answer.next {
            Some(next) => page = PageRequest::after(limit, next),
            None => return seen,
        }
    }
    panic!("the list does not end");
}

async fn ids(queue: &dyn JobQueue, lane: &OrderingKey) -> Vec<JobId> {
    let records = read(queue, lane, 100).await;
    records.iter().map(|record| record.job).collect()
}

pub async fn a_job_is_listed_with_what_became_of_it(queue: Arc<dyn JobQueue>, time: Time) {
    let now = time.now();
    let new = named(1, 1, 1, &time).priority(Priority::FollowUp);
    let id = add(&queue, std::slice::from_ref(&new)).await[0];
    let mut expected = JobRecord {
        job: id,
        kind: new.kind,
        due: new.due,
        priority: Priority::FollowUp,
        attempts: 0,
        standing: JobStanding::Open { last_error: None },
    };
    assert_eq!(read(&*queue, &lane(1, 1), 10).await, [expected.clone()]);

    let held = claim_job(&queue, &time).await.claim;
    expected.attempts = 1;
    assert_eq!(read(&*queue, &lane(1, 1), 10).await, [expected.clone()]);

    let (due, why) = (now + SECOND, FailureNote::new("tired"));
    queue.reschedule(held, due, &why).await.unwrap();
    expected.due = due;
    expected.standing = JobStanding::Open {
        last_error: Some(why),
    };
    assert_eq!(read(&*queue, &lane(1, 1), 10).await, [expected.clone()]);

    let held = claim_job_at(&queue, &time, due).await.claim;
    let cause = FailureNote::new("worn out");
    queue.dead_letter(held, due, &cause).await.unwrap();
    expected.attempts = 2;
    expected.standing = JobStanding::GivenUp { at: due, cause };
    assert_eq!(read(&*queue, &lane(1, 1), 10).await, [expected]);
}

pub async fn a_completed_job_is_not_listed(queue: Arc<dyn JobQueue>, time: Time) {
    add(&queue, &[named(1, 1, 1, &time)]).await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    assert_eq!(ids(&*queue, &lane(1, 1)).await, []);
}

pub async fn the_jobs_of_a_lane_come_in_the_order_of_enqueueing(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let mut jobs: Vec<_> = (1..=9).map(|number| named(1, 1, number, &time)).collect();
    for (late, job) in (0_u32..).zip(jobs.iter_mut().rev()) {
        job.due = time.now() + SECOND * late;
    }
    let added = add(&queue, &jobs).await;
    // The last one is due, and is given up.
    let held = claim_job(&queue, &time).await.claim;
    assert_eq!(held.job, added[8]);
    queue.dead_letter(held, time.now(), &note()).await.unwrap();
    for limit in [1, 2, 8, 9, 100] {
        let listed = read(&*queue, &lane(1, 1), limit).await;
        let listed: Vec<_> = listed.iter().map(|record| record.job).collect();
        assert_eq!(listed, added, "in pages of {limit}");
    }
    let none = queue.jobs(&lane(1, 1), &PageRequest::first(0)).await;
    assert_eq!(none.unwrap().items, []);
}

pub async fn a_lane_lists_its_own_jobs_only(queue: Arc<dyn JobQueue>, time: Time) {
    let jobs = [(1, 1), (1, 2), (2, 1)].map(|(creator, fan)| named(creator, fan, 7, &time));
    let added = add(&queue, &jobs).await;
    assert_eq!(ids(&*queue, &lane(1, 1)).await, added[..1]);
    assert_eq!(ids(&*queue, &lane(1, 2)).await, added[1..2]);
    assert_eq!(ids(&*queue, &lane(2, 1)).await, added[2..]);
    assert_eq!(ids(&*queue, &lane(2, 2)).await, []);
}

pub async fn a_cursor_of_another_lane_is_refused(queue: Arc<dyn JobQueue>, time: Time) {
    let jobs: Vec<_> = (1..=2).map(|number| named(1, 1, number, &time)).collect();
    add(&queue, &jobs).await;
    let page = PageRequest::first(1);
    let first = queue.jobs(&lane(1, 1), &page).await.unwrap();
    let of_another = PageRequest::after(1, first.next.unwrap());
    let none = PageRequest::after(1, Cursor::new("j1.x"));
    for (lane, page) in [
        (lane(1, 2), &of_another),
        (lane(2, 1), &of_another),
        (lane(1, 1), &none),
    ] {
        let refused = queue.jobs(&lane, page).await;
        assert!(
            matches!(refused, Err(QueueError::InvalidCursor)),
            "{refused:?}"
        );
    }
}

pub async fn erasing_a_lane_takes_what_waits_and_what_was_given_up(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    add(&queue, &[named(1, 1, 1, &time)]).await;
    let held = claim_job(&queue, &time).await.claim;
    queue.dead_letter(held, time.now(), &note()).await.unwrap();
    add(&queue, &[named(1, 1, 2, &time)]).await;
    let held = claim_job(&queue, &time).await.claim;
    let later = time.now() + SECOND;
    queue.reschedule(held, later, &note()).await.unwrap();
    add(&queue, &[named(1, 1, 3, &time)]).await;
    assert_eq!(ids(&*queue, &lane(1, 1)).await.len(), 3);
    for _ in 0..2 {
        queue.erase_lane(&lane(1, 1)).await.unwrap();
        assert_eq!(ids(&*queue, &lane(1, 1)).await, []);
    }
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn the_names_of_an_erased_lane_are_free(queue: Arc<dyn JobQueue>, time: Time) {
    // One is done, one is given up under a name of its own, one waits.
    add(&queue, &[named(1, 1, 1, &time)]).await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    add(&queue, &[job(1, 1, 2, time.now())]).await;
    let held = claim_job(&queue, &time).await.claim;
    queue.dead_letter(held, time.now(), &note()).await.unwrap();
    add(&queue, &[named(1, 1, 3, &time)]).await;
    // Of another lane.
    add(&queue, &[named(1, 2, 1, &time)]).await;

    queue.erase_lane(&lane(1, 1)).await.unwrap();
    let again = [
        named(1, 1, 1, &time),
        job(1, 1, 2, time.now()),
        named(1, 1, 3, &time),
        named(1, 2, 1, &time),
    ];
    let enqueued = queue.enqueue(&again).await.unwrap();
    let new = |enqueued: &Enqueued| matches!(enqueued, Enqueued::New(_));
    assert!(enqueued[..3].iter().all(new), "{enqueued:?}");
    assert_eq!(enqueued[3], Enqueued::Duplicate);
}

pub async fn erasing_a_lane_leaves_a_claimed_job_to_its_worker(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let id = add(&queue, &[named(1, 1, 1, &time)]).await[0];
    let held = claim_job(&queue, &time).await.claim;
    queue.reschedule(held, time.now(), &note()).await.unwrap();
    let held = claim_job(&queue, &time).await.claim;
    add(&queue, &[named(1, 1, 2, &time)]).await;
    queue.erase_lane(&lane(1, 1)).await.unwrap();

    let records = read(&*queue, &lane(1, 1), 10).await;
    let [record] = &*records else {
        panic!("{records:?}");
    };
    assert_eq!(record.job, id);
    assert_eq!(record.standing, JobStanding::Open { last_error: None });
    queue.complete(vec![held], time.now()).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
    // The lane goes on.
    add(&queue, &[named(1, 1, 3, &time)]).await;
    claim_job(&queue, &time).await;
}

pub async fn erasing_a_lane_leaves_all_others(queue: Arc<dyn JobQueue>, time: Time) {
    let lanes = [(1, 1), (1, 2), (2, 1)];
    for number in 1..=2 {
        let jobs = lanes.map(|(creator, fan)| named(creator, fan, number, &time));
        add(&queue, &jobs).await;
        if number == 1 {
            for lane in claim(&queue, 10, &time).await {
                let held = claims(lane.jobs).remove(0);
                queue.dead_letter(held, time.now(), &note()).await.unwrap();
            }
        }
    }
    queue.erase_lane(&lane(1, 1)).await.unwrap();
    queue.erase_lane(&lane(2, 2)).await.unwrap();
    assert_eq!(ids(&*queue, &lane(1, 1)).await, []);
    assert_eq!(ids(&*queue, &lane(1, 2)).await.len(), 2);
    assert_eq!(ids(&*queue, &lane(2, 1)).await.len(), 2);
    let mut left = claim(&queue, 10, &time).await;
    left.sort_by(|a, b| a.ordering_key.cmp(&b.ordering_key));
    let keys: Vec<_> = left.iter().map(|lane| lane.ordering_key.clone()).collect();
    assert_eq!(keys, [lane(1, 2), lane(2, 1)]);
}

/// Erases in parts of `limit`, at most 1,000.
async fn erase_creator(queue: &dyn JobQueue, creator: u32, limit: usize) {
    for _ in 1..1_000 {
        let erased = queue.erase_lanes_of(creator_id(creator), limit).await;
        if erased.unwrap() == Erased::All {
            return;
        }
    }
    panic!("the erasure does not end");
}

pub async fn erasing_a_creator_takes_all_their_lanes_and_names(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let lanes = [(1, 1), (1, 2), (1, 3), (2, 1)];
    let jobs = |number| lanes.map(|(creator, fan)| named(creator, fan, number, &time));
    // One of each lane is done, one is given up, one waits.
    add(&queue, &jobs(1)).await;
    finish(&queue, &time, claim(&queue, 10, &time).await).await;
    add(&queue, &jobs(2)).await;
    for lane in claim(&queue, 10, &time).await {
        let held = claims(lane.jobs).remove(0);
        queue.dead_letter(held, time.now(), &note()).await.unwrap();
    }
    add(&queue, &jobs(3)).await;

    let first = queue.erase_lanes_of(creator_id(1), 2).await.unwrap();
    assert_eq!(first, Erased::Some);
    erase_creator(&*queue, 1, 2).await;
    erase_creator(&*queue, 3, 2).await;
    for fan in 1..=3 {
        assert_eq!(ids(&*queue, &lane(1, fan)).await, []);
    }
    assert_eq!(ids(&*queue, &lane(2, 1)).await.len(), 2);
    for number in 1..=3 {
        let enqueued = queue.enqueue(&jobs(number)).await.unwrap();
        let new = |enqueued: &Enqueued| matches!(enqueued, Enqueued::New(_));
        assert!(enqueued[..3].iter().all(new), "{enqueued:?}");
        assert_eq!(enqueued[3], Enqueued::Duplicate);
    }
    assert_eq!(claim(&queue, 10, &time).await.len(), 4);
}

pub async fn erasing_a_creator_leaves_claimed_jobs_to_their_workers(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let id = add(&queue, &[named(1, 1, 1, &time)]).await[0];
    let held = claim_job(&queue, &time).await.claim;
    queue.reschedule(held, time.now(), &note()).await.unwrap();
    let held = claim_job(&queue, &time).await.claim;
    add(&queue, &[named(1, 1, 2, &time), named(1, 2, 1, &time)]).await;
    erase_creator(&*queue, 1, 10).await;

    let records = read(&*queue, &lane(1, 1), 10).await;
    let [record] = &*records else {
        panic!("{records:?}");
    };
    assert_eq!(record.job, id);
    assert_eq!(record.standing, JobStanding::Open { last_error: None });
    queue.complete(vec![held], time.now()).await.unwrap();
    assert_idle_at(&queue, &time, far()).await;
    add(&queue, &[named(1, 1, 3, &time)]).await;
    claim_job(&queue, &time).await;
}
