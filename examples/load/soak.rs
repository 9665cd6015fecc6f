//! Millions of jobs through a queue that always holds a few thousand: what a claim takes must stay the same, and
//! what is ended must leave no room taken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fanvue_bot::queue::{ClaimLimits, JobQueue, WorkerId};
use fanvue_bot::time::{Clock as _, SystemClock, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Common;
use crate::database::Database;
use crate::hands::{LEASE, claims, job};
use crate::queue::{CREATORS, Order, all_new};
use crate::report::{Report, per_second, progress};
use crate::samples::Samples;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs go through the queue.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    jobs: u32,
    /// How many lanes they belong to.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: u64,
    /// How many jobs wait in the queue at most.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    waiting: u32,
    /// How many workers drain them.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    workers: u16,
    /// How many jobs are enqueued together, and how many lanes a worker claims at once.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// A line for every so many jobs that were worked off.
    #[arg(long, default_value_t = 250_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    each: u32,
    /// For how many seconds the key of an ended job stays taken; a shorter time than the default keeps the table
    /// of the keys from growing throughout.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    retention: u64,
}

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let (count, batch) = (usize::try_from(options.jobs)?, usize::from(options.batch));
    let mut report = Report::new("soak", common);
    let retention = Duration::from_secs(options.retention);
    let database = Database::open_with_retention(common, retention).await?;
    let queue = database.backend.queue();
    let run = Arc::new(Run {
        order: Order::default(),
        ended: AtomicUsize::new(0),
        claims: Mutex::default(),
        // A batch may be larger than what is left.
        room: Semaphore::new(usize::try_from(options.waiting)?.max(batch)),
    });
    report.count("jobs", "jobs", count);
    report.count("keys", "lanes", usize::try_from(options.keys)?);
    report.count(
        "waiting",
        "jobs that wait at most",
        usize::try_from(options.waiting)?,
    );
    report.count("workers", "workers", usize::from(options.workers));

    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    tasks.spawn(enqueue(
        Arc::clone(queue),
        Arc::clone(&run),
        count,
        batch,
        options.keys,
    ));
    for worker in 0..options.workers {
        let worker = WorkerId::new(format!("load-{worker}"));
        tasks.spawn(drain(
            Arc::clone(queue),
            worker,
            batch,
            count,
            Arc::clone(&run),
        ));
    }
    let each = usize::try_from(options.each)?;
    let (mut next, mut last) = (each.min(count), begun);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while !tasks.is_empty() {
        tokio::select! {
            Some(task) = tasks.join_next() => task??,
            _ = look.tick() => {}
        }
        let ended = run.ended.load(Ordering::Relaxed);
        if ended >= next && next > 0 {
            let rate = per_second(each, last.elapsed());
            step(&mut report, &run, &database, next, rate).await?;
            last = Instant::now();
            next = if next == count {
                0
            } else {
                (next + each).min(count)
            };
        }
    }
    let spent = begun.elapsed();
    let ended = run.order.drained();
    anyhow::ensure!(
        ended == count,
        "{count} jobs were enqueued and {ended} worked off"
    );
    report.rate(
        "per_second",
        "enqueued and worked off",
        per_second(count, spent),
        "jobs",
    );
    database.close().await;
    Ok(report)
}

/// What those who enqueue and those who work off share.
struct Run {
    order: Order,
    ended: AtomicUsize,
    /// How long the claims took since they were last looked at.
    claims: Mutex<Samples>,
    /// For how many jobs there is room in the queue.
    room: Semaphore,
}

/// What there is to tell when `ended` jobs were worked off.
async fn step(
    report: &mut Report,
    run: &Run,
    database: &Database,
    ended: usize,
    rate: f64,
) -> anyhow::Result<()> {
    let mut claims =
        std::mem::take(&mut *run.claims.lock().unwrap_or_else(PoisonError::into_inner));
    report.rate(
        &format!("rate_at_{ended}"),
        &format!("at {ended} jobs"),
        rate,
        "jobs",
    );
    report.times(&format!("claim_at_{ended}"), "  claim", &mut claims);
    if let Some(space) = database.space_of_jobs().await? {
        report.count(
            &format!("table_bytes_at_{ended}"),
            "  bytes of the table",
            space.table,
        );
        report.count(
            &format!("index_bytes_at_{ended}"),
            "  bytes of its indexes",
            space.indexes,
        );
        report.count(&format!("dead_rows_at_{ended}"), "  dead rows", space.dead);
    }
    progress(&format!(
        "{ended} jobs, {rate:.0}/s, claim p99 {:?}",
        claims.percentile(0.99)
    ));
    Ok(())
}

async fn enqueue(
    queue: Arc<dyn JobQueue>,
    run: Arc<Run>,
    count: usize,
    batch: usize,
    keys: u64,
) -> anyhow::Result<()> {
    let start = SystemClock.now().minus(Duration::from_secs(3_600));
    let numbers: Vec<u64> = (0..u64::try_from(count)?).collect();
    for some in numbers.chunks(batch) {
        let places = u32::try_from(some.len())?;
        run.room
            .acquire_many(places)
            .await
            .context("there is room")?
            .forget();
        let jobs: Vec<_> = some
            .iter()
            .map(|number| {
                let lane = number % keys;
                // Its due time tells a job's place in its lane.
                job(
                    lane % CREATORS,
                    lane,
                    *number,
                    start + Duration::from_micros(*number),
                )
            })
            .collect();
        all_new(&queue.enqueue(&jobs).await?)?;
    }
    Ok(())
}

async fn drain(
    queue: Arc<dyn JobQueue>,
    worker: WorkerId,
    lanes: usize,
    count: usize,
    run: Arc<Run>,
) -> anyhow::Result<()> {
    while run.ended.load(Ordering::Relaxed) < count {
        let now = SystemClock.now();
        let begun = Instant::now();
        let claimed = queue
            .claim(&worker, &ClaimLimits::lanes(lanes), now, LEASE)
            .await?;
        let spent = begun.elapsed();
        if claimed.is_empty() {
            queue.ready().await?;
            continue;
        }
        run.claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(spent);
        let mut jobs = 0;
        for lane in &claimed {
            let due: Vec<Timestamp> = lane.jobs.iter().map(|job| job.due).collect();
            jobs += due.len();
            run.order.see(&lane.ordering_key, due.into_iter())?;
        }
        queue.complete(claims(claimed), now).await?;
        run.ended.fetch_add(jobs, Ordering::Relaxed);
        run.room.add_permits(jobs);
    }
    Ok(())
}
