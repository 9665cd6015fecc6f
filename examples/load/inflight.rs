//! What a reply costs while its model takes its time: memory, and connections of the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::Common;
use crate::database::Database;
use crate::model::Model;
use crate::platform::Platform;
use crate::report::{Report, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many replies are to be under way at once.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    replies: u32,
    /// How many seconds the model takes for each; long enough for all of them to have begun.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    model_delay: u64,
}

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let replies = usize::try_from(options.replies)?;
    let delay = Duration::from_secs(options.model_delay);
    let mut report = Report::new("inflight", common);
    let database = Database::open(common).await?;
    let model = Arc::new(Model::slow(delay));
    let mut platform = Platform::new(&database, Arc::clone(&model), 100, replies).await?;
    progress("fans write");
    platform.fans_write(replies).await?;

    let before = resident_bytes();
    progress("the model is asked");
    let begun = Instant::now();
    let watch = async {
        let mut most = Most::default();
        // The first calls end after the delay, whether the last have begun or not.
        while most.in_flight < replies && begun.elapsed() < delay + Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            most.see(model.in_flight(), begun.elapsed());
        }
        most
    };
    let patience = delay + Duration::from_secs(120);
    let (most, answered) = tokio::join!(watch, platform.answer(replies, patience));
    answered?;
    anyhow::ensure!(
        most.in_flight == replies,
        "only {} of {replies} replies were under way at once before the model answered the first; \
         give it longer with --model-delay",
        most.in_flight
    );
    report.count(
        "replies",
        "replies under way at once, all sent once",
        replies,
    );
    report.time("ramp", "until all were under way", most.after);
    match (before, most.resident) {
        (Some(before), Some(during)) => {
            report.count("resident_before_bytes", "resident before, bytes", before);
            report.count(
                "resident_during_bytes",
                "resident while all are under way, bytes",
                during,
            );
            report.count(
                "resident_per_reply_bytes",
                "resident for each, bytes",
                during.saturating_sub(before) / replies,
            );
        }
        _ => report.text(
            "resident_per_reply_bytes",
            "resident for each",
            "not available: this system has no /proc/self/statm",
        ),
    }
    match database.connections().await {
        Some(connections) => {
            report.count("connections", "connections of the database", connections)
        }
        None => report.text(
            "connections",
            "connections of the database",
            "not available for this store on this system",
        ),
    }
    database.close().await;
    Ok(report)
}

/// The most replies that were seen under way at once, and the process at that moment.
#[derive(Debug, Default)]
struct Most {
    in_flight: usize,
    after: Duration,
    resident: Option<usize>,
}

impl Most {
    fn see(&mut self, in_flight: usize, after: Duration) {
        if in_flight > self.in_flight {
            *self = Self {
                in_flight,
                after,
                resident: resident_bytes(),
            };
        }
    }
}

/// How much of this process is in memory, as Linux tells it.
fn resident_bytes() -> Option<usize> {
    // Pages are 4 KiB on every system that this is measured on.
    const PAGE: usize = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(PAGE).context("too many pages").ok()
}
