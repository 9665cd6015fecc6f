//! From the call that enqueues a job to the moment at which a worker has it, durable commit included.

use std::time::Duration;

use fanvue_bot::time::{Clock as _, SystemClock};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::Common;
use crate::database::Database;
use crate::hands::{Hands, job};
use crate::report::{Report, progress};
use crate::samples::Samples;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many jobs a second are enqueued, one at a time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how long.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Enqueue as another process would, so that the worker has to be told through the database.
    #[arg(long)]
    apart: bool,
}

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let mut report = Report::new("latency", common);
    let database = Database::open(common).await?;
    let queue = database.backend.queue();
    let enqueuer = if options.apart {
        database.queue_of_another_process(common).await?
    } else {
        queue.clone()
    };
    let (started, mut starts) = mpsc::unbounded_channel();
    let (stop, stopping) = watch::channel(false);
    let hands = Hands {
        name: "load",
        most: 64,
        busy: Duration::ZERO,
    };
    let worker = tokio::spawn(hands.work(queue.clone(), started, stopping));

    progress(&format!("{} s", options.seconds));
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / options.rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut enqueueing = Samples::default();
    let mut number = 0;
    while Instant::now() < end {
        tick.tick().await;
        let job = job(number % 10, number, number, SystemClock.now());
        let begun = Instant::now();
        enqueuer.enqueue(&[job]).await?;
        enqueueing.push(begun.elapsed());
        number += 1;
    }
    let mut waits = Samples::default();
    while waits.len() < enqueueing.len() {
        match tokio::time::timeout(Duration::from_secs(10), starts.recv()).await {
            Ok(Some(start)) => waits.push(start.waited),
            Ok(None) => break,
            Err(_) => anyhow::bail!(
                "of {} jobs only {} were started",
                enqueueing.len(),
                waits.len()
            ),
        }
    }
    stop.send_replace(true);
    worker.await??;
    report.count("jobs", "jobs, each started once", waits.len());
    report.count("rate", "jobs a second", usize::try_from(options.rate)?);
    report.times("start", "enqueue to start", &mut waits);
    report.times("enqueue", "of that, enqueue", &mut enqueueing);
    database.close().await;
    Ok(report)
}
