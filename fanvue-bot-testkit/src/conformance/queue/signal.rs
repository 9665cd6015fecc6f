//! Waiting for work.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::queue::{ClaimLimits, JobQueue};
use tokio::time::{Instant, timeout};

use super::Time;
use super::given::{creator_id, job};
use super::hands::{add, assert_idle, claim_job, claim_within};

/// Far longer than any adapter needs, and never waited for when it is good.
const LIMIT: Duration = Duration::from_secs(10);

pub async fn a_wait_ends_when_a_job_is_enqueued(queue: Arc<dyn JobQueue>, time: Time) {
    assert_idle(&queue, &time).await;
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { timeout(LIMIT, queue.ready()).await })
    };
    tokio::task::yield_now().await;
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    waiter.await.unwrap().expect("it waited on").unwrap();
    claim_job(&queue, &time).await;
}

pub async fn a_job_enqueued_between_a_claim_and_the_wait_is_not_missed(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    assert_idle(&queue, &time).await;
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    timeout(LIMIT, queue.ready())
        .await
        .expect("it waited on")
        .unwrap();
}

pub async fn an_abandoned_wait_takes_no_signal_from_the_next(queue: Arc<dyn JobQueue>, time: Time) {
    assert_idle(&queue, &time).await;
    for _ in 0..10 {
        let abandoned = timeout(Duration::ZERO, queue.ready()).await;
        if let Ok(result) = abandoned {
            result.unwrap();
        }
    }
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    timeout(LIMIT, queue.ready())
        .await
        .expect("it waited on")
        .unwrap();
}

pub async fn who_leaves_a_creator_out_hears_of_the_others(queue: Arc<dyn JobQueue>, time: Time) {
    let others = ClaimLimits::lanes(5).except([creator_id(1)]);
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    for number in 0..3 {
        let lanes = claim_within(&*queue, &others, &time, time.now()).await;
        assert_eq!(lanes, []);
        add(&queue, &[job(2, number, 1, time.now())]).await;
        timeout(LIMIT, queue.ready())
            .await
            .expect("it waited on")
            .unwrap();
        let lanes = claim_within(&*queue, &others, &time, time.now()).await;
        assert_eq!(lanes.len(), 1);
    }
}

pub async fn what_a_claim_left_out_does_not_end_a_wait_again_and_again(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let others = ClaimLimits::lanes(5).except([creator_id(1)]);
    let jobs: Vec<_> = (0..20).map(|fan| job(1, fan, 1, time.now())).collect();
    add(&queue, &jobs).await;
    let (begun, mut claims) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(300) {
        let lanes = claim_within(&*queue, &others, &time, time.now()).await;
        assert_eq!(lanes, []);
        claims += 1;
        // As workers do, in case that there is no signal.
        let _elapsed = timeout(Duration::from_millis(50), queue.ready()).await;
    }
    assert!(claims <= 20, "{claims} claims for nothing");
}

pub async fn a_claim_that_leaves_a_creator_out_takes_no_signal_from_who_waits(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let others = ClaimLimits::lanes(5).except([creator_id(1)]);
    assert_idle(&queue, &time).await;
    let mut waiting = std::pin::pin!(queue.ready());
    // It waits, unless the adapter is about to look again.
    let early = timeout(Duration::from_millis(20), waiting.as_mut()).await;
    if let Ok(result) = early {
        return result.unwrap();
    }
    add(&queue, &[job(1, 1, 1, time.now())]).await;
    let lanes = claim_within(&*queue, &others, &time, time.now()).await;
    assert_eq!(lanes, []);
    timeout(LIMIT, waiting)
        .await
        .expect("it waited on")
        .unwrap();
    claim_job(&queue, &time).await;
}

pub async fn workers_who_wait_and_claim_drain_the_queue(queue: Arc<dyn JobQueue>, time: Time) {
    let mut workers = tokio::task::JoinSet::new();
    let left = Arc::new(std::sync::atomic::AtomicI64::new(60));
    for _ in 0..3 {
        let (queue, time, left) = (Arc::clone(&queue), time.clone(), Arc::clone(&left));
        workers.spawn(async move {
            while left.load(std::sync::atomic::Ordering::SeqCst) > 0 {
                let lanes = super::hands::claim(&queue, 1, &time).await;
                if lanes.is_empty() {
                    // As workers do: wait for the signal, and poll in case there is none.
                    let wait = timeout(Duration::from_millis(20), queue.ready()).await;
                    if let Ok(result) = wait {
                        result.unwrap();
                    }
                    continue;
                }
                let jobs: usize = lanes.iter().map(|lane| lane.jobs.len()).sum();
                super::hands::finish(&queue, &time, lanes).await;
                let jobs = i64::try_from(jobs).unwrap();
                left.fetch_sub(jobs, std::sync::atomic::Ordering::SeqCst);
            }
        });
    }
    for number in 0..60 {
        add(
            &queue,
            &[job(1 + number % 2, number % 7, number, time.now())],
        )
        .await;
        tokio::task::yield_now().await;
    }
    timeout(LIMIT, workers.join_all())
        .await
        .expect("not drained");
    assert_idle(&queue, &time).await;
}
