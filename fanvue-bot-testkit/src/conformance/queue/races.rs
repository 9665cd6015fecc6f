//! Many workers at once, checked against a model: no lane in two hands, nothing lost, nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::JobId;
use fanvue_bot_core::queue::{ClaimLimits, ClaimedLane, JobQueue, NewJob, OrderingKey, QueueError};
use tokio::task::JoinSet;

use super::Time;
use super::given::{at, far, job, worker};
use super::hands::{add, assert_idle_at, note};

const WORKERS: u32 = 6;
const JOBS: u32 = 300;

#[derive(Default)]
struct Model {
    held: BTreeMap<OrderingKey, u32>,
    enqueued: BTreeMap<OrderingKey, Vec<JobId>>,
    ended: BTreeMap<OrderingKey, Vec<JobId>>,
    count: usize,
}

impl Model {
    fn take(&mut self, worker: u32, lane: &ClaimedLane) {
        let holder = self.held.insert(lane.ordering_key.clone(), worker);
        assert_eq!(holder, None, "{:?} in two hands", lane.ordering_key);
    }

    fn give_back(&mut self, lane: &OrderingKey, ended: Vec<JobId>) {
        self.held.remove(lane);
        self.count += ended.len();
        self.ended.entry(lane.clone()).or_default().extend(ended);
    }
}

struct Draws(Seed, u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.1 += 1;
        self.0.derive(&self.1.to_string()).in_range(0, bound - 1)
    }
}

/// Enqueues [`JOBS`] jobs in 12 lanes of 3 creators, in batches, while others work.
async fn produce(queue: &dyn JobQueue, model: &Mutex<Model>) {
    let mut draws = Draws(Seed::new(5), 0);
    let mut number = 0;
    while number < JOBS {
        let batch = u32::try_from(1 + draws.below(10))
            .unwrap()
            .min(JOBS - number);
        let jobs: Vec<NewJob> = (number..number + batch)
            .map(|number| {
                let lane = u32::try_from(draws.below(12)).unwrap();
                job(1 + lane % 3, lane, number, at(0))
            })
            .collect();
        let ids = add(queue, &jobs).await;
        {
            let mut model = model.lock().unwrap();
            for (job, id) in jobs.into_iter().zip(ids) {
                model.enqueued.entry(job.ordering_key).or_default().push(id);
            }
        }
        number += batch;
        tokio::task::yield_now().await;
    }
}

pub async fn no_lane_is_ever_in_two_hands_and_every_job_ends_in_order(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    let model = Arc::new(Mutex::new(Model::default()));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let (queue, time, model) = (Arc::clone(&queue), time.clone(), Arc::clone(&model));
        workers.spawn(async move {
            let mut draws = Draws(Seed::new(u64::from(number)), 0);
            while model.lock().unwrap().count < JOBS as usize {
                let limit = 1 + usize::try_from(draws.below(4)).unwrap();
                let now = time.now();
                let lanes = queue
                    .claim(
                        &worker(number),
                        &ClaimLimits::lanes(limit),
                        now,
                        time.long(),
                    )
                    .await
                    .unwrap();
                for lane in &lanes {
                    model.lock().unwrap().take(number, lane);
                }
                for lane in lanes {
                    for _ in 0..draws.below(4) {
                        tokio::task::yield_now().await;
                    }
                    let key = lane.ordering_key;
                    // Some fail half way: the first jobs are done, the rest is handed back.
                    let done = if draws.below(4) == 0 {
                        usize::try_from(draws.below(3))
                            .unwrap()
                            .min(lane.jobs.len())
                    } else {
                        lane.jobs.len()
                    };
                    let mut jobs = lane.jobs;
                    let rest = jobs.split_off(done);
                    let ended = jobs.iter().map(|job| job.claim.job).collect();
                    let claims = jobs.into_iter().map(|job| job.claim).collect();
                    let (last, others) = match rest.split_last() {
                        Some((last, others)) => (Some(last), others),
                        None => (None, &[][..]),
                    };
                    // The model goes before the last call: after it, another worker may have the lane.
                    match last {
                        Some(last) => {
                            queue.complete(claims, now).await.unwrap();
                            for job in others {
                                let claim = job.claim.duplicate();
                                queue.reschedule(claim, job.due, &note()).await.unwrap();
                            }
                            model.lock().unwrap().give_back(&key, ended);
                            let claim = last.claim.duplicate();
                            queue.reschedule(claim, last.due, &note()).await.unwrap();
                        }
                        None => {
                            model.lock().unwrap().give_back(&key, ended);
                            queue.complete(claims, now).await.unwrap();
                        }
                    }
                }
                tokio::task::yield_now().await;
            }
        });
    }
    produce(&queue, &model).await;
    tokio::time::timeout(Duration::from_secs(60), workers.join_all())
        .await
        .expect("jobs were lost");
    let model = model.lock().unwrap();
    assert_eq!(model.ended, model.enqueued, "each once, and in order");
}

pub async fn every_job_ends_exactly_once_though_workers_die(queue: Arc<dyn JobQueue>, time: Time) {
    let jobs: Vec<NewJob> = (0..120)
        .map(|number| job(1 + number % 3, number % 12, number, at(0)))
        .collect();
    let all: BTreeSet<JobId> = add(&queue, &jobs).await.into_iter().collect();
    let ended = Arc::new(Mutex::new(BTreeSet::new()));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let (queue, time, ended) = (Arc::clone(&queue), time.clone(), Arc::clone(&ended));
        workers.spawn(async move {
            let mut draws = Draws(Seed::new(u64::from(number)), 0);
            while ended.lock().unwrap().len() < 120 {
                let now = time.now();
                let lanes = queue
                    .claim(&worker(number), &ClaimLimits::lanes(2), now, time.short())
                    .await
                    .unwrap();
                if lanes.is_empty() {
                    // Everything is in dead hands, or in busy ones.
                    time.outlast().await;
                    continue;
                }
                for lane in lanes {
                    let claims: Vec<_> = lane.jobs.into_iter().map(|job| job.claim).collect();
                    match draws.below(4) {
                        // Dies with the lane in its hands.
                        0 => continue,
                        // Is slow: others' leases, and perhaps its own, lapse meanwhile.
                        1 => {
                            time.advance(time.short() / 2);
                            tokio::task::yield_now().await;
                        }
                        _ => {}
                    }
                    let held: Vec<_> = claims.iter().map(|claim| claim.job).collect();
                    let lost = match queue.complete(claims, time.now()).await {
                        Ok(()) => Vec::new(),
                        Err(QueueError::ClaimLost { jobs }) => jobs,
                        Err(error) => panic!("{error:?}"),
                    };
                    let mut ended = ended.lock().unwrap();
                    for job in held.into_iter().filter(|job| !lost.contains(job)) {
                        assert!(ended.insert(job), "{job} ended twice");
                    }
                }
            }
        });
    }
    tokio::time::timeout(Duration::from_secs(60), workers.join_all())
        .await
        .expect("jobs were lost");
    assert_eq!(*ended.lock().unwrap(), all);
    assert_idle_at(&queue, &time, far()).await;
}

pub async fn of_many_who_claim_one_lane_at_once_exactly_one_gets_it(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for round in 0..10 {
        let now = time.now();
        add(
            &queue,
            &[job(1, 1, round, now), job(1, 1, 100 + round, now)],
        )
        .await;
        let mut rivals = JoinSet::new();
        for number in 0..8 {
            let (queue, time) = (Arc::clone(&queue), time.clone());
            rivals.spawn(async move {
                queue
                    .claim(&worker(number), &ClaimLimits::lanes(5), now, time.long())
                    .await
                    .unwrap()
            });
        }
        let lanes: Vec<ClaimedLane> = rivals.join_all().await.into_iter().flatten().collect();
        assert_eq!(lanes.len(), 1);
        assert_eq!(lanes[0].jobs.len(), 2);
        super::hands::finish(&queue, &time, lanes).await;
    }
}

pub async fn of_many_who_end_one_job_at_once_exactly_one_does(
    queue: Arc<dyn JobQueue>,
    time: Time,
) {
    for round in 0..10 {
        let now = time.now();
        add(&queue, &[job(1, 1, round, now)]).await;
        let held = super::hands::claim_job(&queue, &time).await.claim;
        let mut rivals = JoinSet::new();
        for number in 0..9 {
            let (queue, claim) = (Arc::clone(&queue), held.duplicate());
            rivals.spawn(async move {
                match number % 3 {
                    0 => queue.complete(vec![claim], now).await,
                    1 => queue.dead_letter(claim, now, &note()).await,
                    _ => queue.reschedule(claim, at(1_000_000), &note()).await,
                }
            });
        }
        let results = rivals.join_all().await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1);
        // If it was rescheduled, it stands in the way of the next round.
        for lane in super::hands::claim_at(&queue, 10, &time, at(1_000_000)).await {
            super::hands::finish(&queue, &time, vec![lane]).await;
        }
    }
}
