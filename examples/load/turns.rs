//! Whole replies: claim, load, prompt, model, check, chat read, intent, send, outcome, jobs ended.

use std::sync::Arc;
use std::time::Duration;

use crate::Common;
use crate::database::Database;
use crate::model::Model;
use crate::platform::Platform;
use crate::report::{Report, per_second, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many messages are to be answered.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    jobs: u32,
    /// How many fans write them, in turns.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    fans: u32,
    /// How many creators they write to.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    creators: u32,
    /// How many replies the worker has in hand at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    workers: u32,
}

/// Longer than any reply takes unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let (jobs, fans) = (
        usize::try_from(options.jobs)?,
        usize::try_from(options.fans)?,
    );
    let workers = usize::try_from(options.workers)?;
    let mut report = Report::new("turns", common);
    let database = Database::open(common).await?;
    let creators = usize::try_from(options.creators)?;
    let mut platform = Platform::new(&database, Arc::new(Model::instant()), creators, fans).await?;
    let (mut taking_in, mut answering, mut left) = (Duration::ZERO, Duration::ZERO, jobs);
    while left > 0 {
        let round = left.min(fans);
        progress(&format!("{left} replies to go"));
        taking_in += platform.fans_write(round).await?;
        answering += platform.answer(workers, PATIENCE).await?.0;
        left -= round;
    }
    report.count("jobs", "messages, each answered once", jobs);
    report.count("fans", "fans", fans);
    report.count("workers", "replies in hand at once", workers);
    report.rate(
        "intake_per_second",
        "taken in, without HTTP",
        per_second(jobs, taking_in),
        "messages",
    );
    report.rate(
        "turns_per_second",
        "answered",
        per_second(jobs, answering),
        "replies",
    );
    database.close().await;
    Ok(report)
}
