//! Job queues on Postgres side by side: `cargo run --release -- DATABASE_URL [JOBS [NAME]]`.
//!
//! The database is empty, and its role owns it and is no superuser: each queue makes its own tables in it. The
//! queues take turns, twice round; every job is a no-op, and each queue is set up as its own documentation or
//! benchmark does where speed matters. Prints a row for each.

mod apalis_queue;
mod contestant;
mod graphile;
mod ours;
mod pgmq_queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::contestant::{Contestant, Done};

const CALLERS: u64 = 16;
/// Lanes of the ordered drain.
const KEYS: u64 = 2_000;
/// Jobs that share one key.
const OF_ONE_KEY: u64 = 40;
/// Jobs of the measurement of latency, and the time between two.
const LATENCY: (u64, Duration) = (200, Duration::from_millis(20));
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .context("name an empty database: cargo run --release -- DATABASE_URL [JOBS [NAME]]")?;
    let jobs: u64 = match arguments.next() {
        Some(jobs) => jobs.parse().context("JOBS is a number")?,
        None => 20_000,
    };
    let contestants: Vec<Arc<dyn Contestant>> = vec![
        Arc::new(ours::Ours::open(&url).await?),
        Arc::new(graphile::Graphile::open(&url).await?),
        Arc::new(apalis_queue::Apalis::open(&url).await?),
        Arc::new(pgmq_queue::Pgmq::open(&url).await?),
    ];
    let chosen = arguments.next();
    let contestants: Vec<_> = contestants
        .into_iter()
        .filter(|contestant| {
            chosen
                .as_deref()
                .is_none_or(|name| name == contestant.name())
        })
        .collect();
    println!(
        "| {} jobs | enqueued by {CALLERS} callers | drained | drained, ordered in {KEYS} lanes | {OF_ONE_KEY} jobs of one key | enqueue to start, p50 and p99 |",
        jobs
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for _round in 0..2 {
        for contestant in &contestants {
            let enqueued = rate(jobs, enqueue(contestant, jobs).await?);
            let drained = rate(jobs, drain(contestant, jobs).await?);
            let (ordered, of_one_key) = if contestant.keeps_order() {
                contestant.add(jobs, Some(KEYS)).await?;
                let ordered = rate(jobs, drain(contestant, jobs).await?);
                contestant.add(OF_ONE_KEY, Some(1)).await?;
                let spent = drain(contestant, OF_ONE_KEY).await?;
                (ordered, format!("{:.3} s", spent.as_secs_f64()))
            } else {
                ("none".to_owned(), "none".to_owned())
            };
            let latency = latency(contestant).await?;
            println!(
                "| {} | {enqueued} | {drained} | {ordered} | {of_one_key} | {latency} |",
                contestant.name()
            );
        }
    }
    Ok(())
}

/// One job a call, each caller waiting for one before it begins the next.
async fn enqueue(contestant: &Arc<dyn Contestant>, jobs: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let contestant = Arc::clone(contestant);
        callers.spawn(async move {
            for _ in 0..jobs / CALLERS {
                contestant.add_one().await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(begun.elapsed())
}

/// From the start of a worker to the start of the last of so many jobs.
async fn drain(contestant: &Arc<dyn Contestant>, jobs: u64) -> anyhow::Result<Duration> {
    let done = Done::default();
    let begun = Instant::now();
    let worker = contestant.work(done.clone()).await?;
    let reached = tokio::time::timeout(PATIENCE, done.reached(jobs)).await;
    let spent = begun.elapsed();
    worker.stop().await;
    reached.with_context(|| {
        format!(
            "{} started {} of {jobs} jobs",
            contestant.name(),
            done.count()
        )
    })?;
    Ok(spent)
}

async fn latency(contestant: &Arc<dyn Contestant>) -> anyhow::Result<String> {
    let done = Done::default();
    let worker = contestant.work(done.clone()).await?;
    // Its listener is to be ready.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut waits = Vec::new();
    for number in 1..=LATENCY.0 {
        let begun = Instant::now();
        contestant.add_one().await?;
        tokio::time::timeout(PATIENCE, done.reached(number))
            .await
            .with_context(|| format!("{} started no job", contestant.name()))?;
        waits.push(begun.elapsed());
        tokio::time::sleep(LATENCY.1).await;
    }
    worker.stop().await;
    waits.sort();
    let at = |percent: usize| {
        waits
            .get((waits.len() * percent / 100).min(waits.len() - 1))
            .map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    };
    Ok(format!("{:.1} and {:.1} ms", at(50), at(99)))
}

fn rate(jobs: u64, spent: Duration) -> String {
    format!("{:.0}/s", jobs as f64 / spent.as_secs_f64())
}
