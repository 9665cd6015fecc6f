//! One creator floods the queue with more than it can work off; the others should hardly notice.

use std::time::Duration;

use anyhow::Context as _;
use fanvue_bot::time::{Clock as _, SystemClock};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::Common;
use crate::database::Database;
use crate::hands::{Hands, job};
use crate::people::People;
use crate::report::{Report, progress};
use crate::samples::Samples;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many creators there are, the one who floods included.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(2..=100_000))]
    creators: u64,
    /// How many jobs a second all creators but that one have together.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How many times as many that one has during the flood.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    flood: u32,
    /// How many jobs are in hand at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    hands: u16,
    /// How many milliseconds each job takes.
    #[arg(long, default_value_t = 30, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    job_time: u64,
    /// How long to measure before the flood, and during it.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

/// The creator who floods.
const FLOODER: u64 = 0;

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let mut report = Report::new("fairness", common);
    let database = Database::open(common).await?;
    let mut bench = Bench::start(&database, options);
    progress("before the flood");
    let mut before = bench.measure(options, 0).await?;
    progress("during the flood");
    let mut during = bench.measure(options, options.rate * options.flood).await?;
    bench.stop().await?;

    let (calm, flooded) = (
        before.others.percentile(0.99),
        during.others.percentile(0.99),
    );
    report.count("creators", "creators", usize::try_from(options.creators)?);
    report.rate(
        "others_rate",
        "the others enqueue",
        f64::from(options.rate),
        "jobs",
    );
    report.rate(
        "flood_rate",
        "one enqueues during the flood",
        f64::from(options.rate * options.flood),
        "jobs",
    );
    report.rate(
        "capacity",
        "at most worked off",
        f64::from(options.hands) * 1_000.0
            / f64::from(u32::try_from(options.job_time).unwrap_or(u32::MAX)),
        "jobs",
    );
    report.count(
        "others_jobs",
        "jobs of the others during it",
        during.others.len(),
    );
    report.count(
        "flood_jobs",
        "jobs of the one started during it",
        during.flooder.len(),
    );
    report.times("before", "the others before", &mut before.others);
    report.times("during", "the others during", &mut during.others);
    report.ratio(
        "p99_ratio",
        "p99 during to before",
        flooded.as_secs_f64() / calm.as_secs_f64().max(f64::EPSILON),
    );
    report.times("flooder", "the one during", &mut during.flooder);
    database.close().await;
    Ok(report)
}

/// How long jobs waited, by whose they were.
#[derive(Debug, Default)]
struct Waits {
    others: Samples,
    flooder: Samples,
}

struct Bench<'d> {
    database: &'d Database,
    starts: mpsc::UnboundedReceiver<crate::hands::Started>,
    stop: watch::Sender<bool>,
    worker: tokio::task::JoinHandle<anyhow::Result<()>>,
    number: u64,
}

impl<'d> Bench<'d> {
    fn start(database: &'d Database, options: &Options) -> Self {
        let (started, starts) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let hands = Hands {
            name: "load",
            most: usize::from(options.hands),
            busy: Duration::from_millis(options.job_time),
        };
        let worker = tokio::spawn(hands.work(database.backend.queue().clone(), started, stopping));
        Self {
            database,
            starts,
            stop,
            worker,
            number: 0,
        }
    }

    /// Enqueues at these rates and listens until every job of the others has been started.
    async fn measure(&mut self, options: &Options, flood: u32) -> anyhow::Result<Waits> {
        const TICK: Duration = Duration::from_millis(10);
        let queue = self.database.backend.queue();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let end = Instant::now() + Duration::from_secs(options.seconds);
        let mut waits = Waits::default();
        let mut shares = [Share::new(options.rate), Share::new(flood)];
        let mut enqueued = 0;
        while Instant::now() < end {
            tick.tick().await;
            let now = SystemClock.now();
            let mut jobs = Vec::new();
            for _ in 0..shares[0].due(TICK) {
                let creator = 1 + self.number % (options.creators - 1);
                jobs.push(job(creator, self.number, self.number, now));
                self.number += 1;
                enqueued += 1;
            }
            for _ in 0..shares[1].due(TICK) {
                jobs.push(job(FLOODER, self.number, self.number, now));
                self.number += 1;
            }
            queue.enqueue(&jobs).await?;
            while let Ok(start) = self.starts.try_recv() {
                waits.see(start);
            }
        }
        while waits.others.len() < enqueued {
            let start = tokio::time::timeout(Duration::from_secs(60), self.starts.recv()).await;
            waits.see(
                start
                    .context("a job of the others was not started within a minute")?
                    .context("the worker has ended")?,
            );
        }
        Ok(waits)
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.worker.await?
    }
}

impl Waits {
    fn see(&mut self, start: crate::hands::Started) {
        if start.creator == People::creator(FLOODER) {
            self.flooder.push(start.waited);
        } else {
            self.others.push(start.waited);
        }
    }
}

/// Deals out whole jobs at a rate.
struct Share {
    per_second: u32,
    /// In millionths of a job.
    saved: u64,
}

impl Share {
    const fn new(per_second: u32) -> Self {
        Self {
            per_second,
            saved: 0,
        }
    }

    fn due(&mut self, passed: Duration) -> u64 {
        self.saved += u64::from(self.per_second) * u64::try_from(passed.as_micros()).unwrap_or(0);
        let due = self.saved / 1_000_000;
        self.saved %= 1_000_000;
        due
    }
}
