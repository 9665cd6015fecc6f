//! No-op jobs through the queue, with order kept in every lane.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanvue_bot::queue::{ClaimLimits, Enqueued, JobQueue, NewJob, OrderingKey, WorkerId};
use fanvue_bot::time::{Clock as _, SystemClock, Timestamp};
use tokio::task::JoinSet;

use crate::Common;
use crate::database::{Database, Floor};
use crate::hands::{LEASE, claims, job};
use crate::report::{Report, per_second, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs are enqueued one at a time, and as many again in batches.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    jobs: u32,
    /// How many lanes they belong to.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: u64,
    /// How many workers drain them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    workers: u16,
    /// How many jobs are in a batch, and how many lanes a worker claims at once.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
}

/// How many callers enqueue one job at a time.
const CALLERS: usize = 16;
pub(crate) const CREATORS: u64 = 100;

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let count = usize::try_from(options.jobs)?;
    let batch = usize::from(options.batch);
    let mut report = Report::new("queue", common);
    let database = Database::open(common).await?;
    let queue = database.backend.queue();
    let floor = database.floor().await?;
    let raw = raw_inserts(&floor).await?;

    let now = SystemClock.now();
    progress("enqueueing one at a time");
    let single = jobs(options, 0, now);
    let single_spent = enqueue_single(queue, &single).await?;
    progress("enqueueing in batches");
    let batched = jobs(options, u64::from(options.jobs), now);
    let begun = Instant::now();
    for some in batched.chunks(batch) {
        all_new(&queue.enqueue(some).await?)?;
    }
    let batch_spent = begun.elapsed();

    progress("draining");
    let order = Arc::new(Order::default());
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..options.workers {
        let worker = WorkerId::new(format!("load-{worker}"));
        workers.spawn(drain(queue.clone(), worker, batch, Arc::clone(&order)));
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let drain_spent = begun.elapsed();
    let drained = order.drained();
    anyhow::ensure!(
        drained == 2 * count,
        "{} jobs were enqueued and {drained} worked off",
        2 * count
    );

    let raw = per_second(raw.0, raw.1);
    let (single, batched) = (
        per_second(count, single_spent),
        per_second(count, batch_spent),
    );
    let drained = per_second(drained, drain_spent);
    report.count("jobs", "jobs one at a time, and as many in batches", count);
    report.count("keys", "lanes", usize::try_from(options.keys)?);
    report.count("workers", "workers", usize::from(options.workers));
    report.count("batch", "jobs in a batch, lanes in a claim", batch);
    report.text("floor", "floor", floor.description());
    report.rate("floor_per_second", "floor", raw, "rows");
    report.rate(
        "enqueue_single_per_second",
        "enqueued by 16 callers, one at a time",
        single,
        "jobs",
    );
    report.ratio("single_to_floor", "to the floor", single / raw);
    report.rate(
        "enqueue_batch_per_second",
        "enqueued in batches",
        batched,
        "jobs",
    );
    report.ratio("batch_to_floor", "to the floor", batched / raw);
    report.rate(
        "drain_per_second",
        "drained, each lane in order",
        drained,
        "jobs",
    );
    report.ratio("drain_to_floor", "to the floor", drained / raw);
    database.close().await;
    Ok(report)
}

/// As many jobs as asked for, in lanes by turns. Each is due a microsecond after the one before, so that
/// its due time tells its place in its lane.
fn jobs(options: &Options, first: u64, now: Timestamp) -> Vec<NewJob> {
    (first..first + u64::from(options.jobs))
        .map(|number| {
            let lane = number % options.keys;
            let due = now.minus(Duration::from_secs(3_600)) + Duration::from_micros(number);
            job(lane % CREATORS, lane, number, due)
        })
        .collect()
}

/// The callers take the jobs by turns; each waits for one before it enqueues the next.
async fn enqueue_single(queue: &Arc<dyn JobQueue>, jobs: &[NewJob]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let queue = Arc::clone(queue);
        let jobs: Vec<NewJob> = jobs.iter().skip(caller).step_by(CALLERS).cloned().collect();
        callers.spawn(async move {
            for job in jobs {
                all_new(&queue.enqueue(std::slice::from_ref(&job)).await?)?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(begun.elapsed())
}

pub(crate) fn all_new(enqueued: &[Enqueued]) -> anyhow::Result<()> {
    anyhow::ensure!(
        enqueued.iter().all(|job| matches!(job, Enqueued::New(_))),
        "the queue took a new job for one that it has"
    );
    Ok(())
}

async fn drain(
    queue: Arc<dyn JobQueue>,
    worker: WorkerId,
    lanes: usize,
    order: Arc<Order>,
) -> anyhow::Result<()> {
    loop {
        let now = SystemClock.now();
        let claimed = queue
            .claim(&worker, &ClaimLimits::lanes(lanes), now, LEASE)
            .await?;
        if claimed.is_empty() {
            return Ok(());
        }
        for lane in &claimed {
            let due = lane.jobs.iter().map(|job| job.due);
            order.see(&lane.ordering_key, due)?;
        }
        queue.complete(claims(claimed), now).await?;
    }
}

/// How far each lane has come.
#[derive(Debug, Default)]
pub(crate) struct Order(Mutex<(BTreeMap<OrderingKey, Timestamp>, usize)>);

impl Order {
    pub(crate) fn see(
        &self,
        lane: &OrderingKey,
        due: impl Iterator<Item = Timestamp>,
    ) -> anyhow::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for due in due {
            let before = state.0.insert(lane.clone(), due);
            anyhow::ensure!(
                before.is_none_or(|before| before < due),
                "a lane's jobs were handed out in another order than they were enqueued in"
            );
            state.1 += 1;
        }
        Ok(())
    }

    pub(crate) fn drained(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

async fn raw_inserts(floor: &Floor) -> anyhow::Result<(usize, Duration)> {
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        floor.insert(&[0; 200]).await?;
        rows += 1;
    }
    Ok((rows, begun.elapsed()))
}
