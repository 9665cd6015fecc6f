//! What the adapters in memory promise beyond the ports; the rest is in the conformance suites.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{MemoryBackend, MemoryQueue};
use crate::id::{ConversationId, CreatorId, FanId};
use crate::queue::{
    ClaimLimits, ClaimedJob, Enqueued, FailureNote, IdempotencyKey, JobQueue, NewJob, WorkerId,
};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LEASE: Duration = Duration::from_secs(30);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// Everything in memory is done at the first poll.
fn now_or_panic<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not done at the first poll"),
    }
}

fn job(fan: u128, name: &str, due: Timestamp) -> NewJob {
    let conversation = ConversationId::new(
        CreatorId::from_uuid(uuid::Uuid::from_u128(1)),
        FanId::from_uuid(uuid::Uuid::from_u128(fan)),
    );
    NewJob::wake(conversation, due, IdempotencyKey::new(name))
}

fn enqueue(queue: &MemoryQueue, job: NewJob) -> Enqueued {
    now_or_panic(queue.enqueue(&[job])).unwrap()[0]
}

fn claim(queue: &MemoryQueue, now: Timestamp) -> Vec<ClaimedJob> {
    now_or_panic(queue.claim(&WorkerId::new("w"), &ClaimLimits::lanes(100), now, LEASE))
        .unwrap()
        .into_iter()
        .flat_map(|lane| lane.jobs)
        .collect()
}

#[test]
fn a_name_is_free_again_a_day_after_its_job_ended() {
    for end in ["complete", "dead_letter"] {
        let queue = MemoryQueue::new();
        enqueue(&queue, job(1, "name", at(0)));
        let claim_of = claim(&queue, at(0)).remove(0).claim;
        let ended = match end {
            "complete" => now_or_panic(queue.complete(vec![claim_of], at(10))),
            _ => now_or_panic(queue.dead_letter(claim_of, at(10), &FailureNote::new("why"))),
        };
        ended.unwrap();
        let free = at(10) + DAY;
        claim(&queue, free.minus(Duration::from_micros(1)));
        assert_eq!(enqueue(&queue, job(1, "name", at(0))), Enqueued::Duplicate);
        claim(&queue, free);
        assert_ne!(enqueue(&queue, job(1, "name", at(0))), Enqueued::Duplicate);
    }
}

#[test]
fn a_name_is_not_freed_while_its_job_lives() {
    let queue = MemoryQueue::new();
    enqueue(&queue, job(1, "name", at(0)));
    claim(&queue, at(0) + DAY * 30);
    assert_eq!(enqueue(&queue, job(1, "name", at(0))), Enqueued::Duplicate);
}

#[test]
fn the_next_due_time_follows_jobs_leases_and_retries() {
    let queue = MemoryQueue::new();
    assert_eq!(queue.next_due(), None);
    enqueue(&queue, job(1, "a", at(50)));
    enqueue(&queue, job(2, "b", at(20)));
    assert_eq!(queue.next_due(), Some(at(20)));
    let held = claim(&queue, at(20)).remove(0).claim;
    assert_eq!(queue.next_due(), Some(at(50)), "b is held until 50");
    now_or_panic(queue.reschedule(held, at(40), &FailureNote::new("why"))).unwrap();
    assert_eq!(queue.next_due(), Some(at(40)));
    assert_eq!(queue.len(), 2);
}

#[test]
fn what_was_given_up_is_kept_with_its_reason() {
    let queue = MemoryQueue::new();
    enqueue(&queue, job(1, "name", at(5)));
    for _ in 0..2 {
        let held = claim(&queue, at(5)).remove(0).claim;
        now_or_panic(queue.reschedule(held, at(5), &FailureNote::new("again"))).unwrap();
    }
    let held = claim(&queue, at(6)).remove(0).claim;
    let id = held.job;
    now_or_panic(queue.dead_letter(held, at(7), &FailureNote::new("no key"))).unwrap();
    let letters = queue.dead_letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.job, letter.attempts, letter.at), (id, 3, at(7)));
    assert_eq!(letter.cause.as_str(), "no key");
    assert_eq!(letter.idempotency_key.as_str(), "name");
    assert!(queue.is_empty());
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn every_waiting_worker_is_woken_and_dropped_waits_are_forgotten() {
    let queue = MemoryQueue::new();
    claim(&queue, at(0));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut first = queue.ready();
    let mut second = queue.ready();
    let mut dropped = queue.ready();
    for wait in [&mut first, &mut second, &mut dropped] {
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    drop(dropped);
    enqueue(&queue, job(1, "name", at(0)));
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
    for wait in [&mut first, &mut second] {
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }
}

#[test]
fn a_wait_goes_on_after_a_claim_has_found_everything() {
    let queue = MemoryQueue::new();
    enqueue(&queue, job(1, "name", at(100)));
    now_or_panic(queue.ready()).unwrap();
    claim(&queue, at(0));
    let mut wait = queue.ready();
    let mut context = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending());
}

#[test]
fn a_job_of_a_flooded_backend_costs_no_scan() {
    // 100,000 waiting lanes: with a scan per claim this would take minutes.
    let backend = MemoryBackend::new();
    let jobs: Vec<NewJob> = (0..100_000)
        .map(|fan| job(fan, &format!("name/{fan}"), at(0)))
        .collect();
    now_or_panic(backend.enqueue(&jobs)).unwrap();
    for _ in 0..20_000 {
        let mut lanes =
            now_or_panic(backend.claim(&WorkerId::new("w"), &ClaimLimits::lanes(1), at(1), LEASE))
                .unwrap();
        let claims = lanes.remove(0).jobs.into_iter().map(|job| job.claim);
        now_or_panic(backend.complete(claims.collect(), at(1))).unwrap();
    }
    assert_eq!(backend.job_count(), 80_000);
}
