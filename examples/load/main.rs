//! Puts the library under load and prints what it takes, beside a floor measured in the same run.
//!
//! ```sh
//! cargo run --release --example load -- intake --seconds 10 --connections 64 --creators 100
//! cargo run --release --example load -- --json queue --jobs 20000 --keys 2000 --workers 4
//! cargo run --release --example load -- help
//! ```
//!
//! A figure alone says more about the machine than about the code: compare the ratios. Every subcommand
//! also checks that what it counted is true, and ends with an error if it is not.

mod apart;
mod database;
mod door;
mod fairness;
mod generator;
mod hands;
mod inflight;
mod intake;
mod latency;
mod model;
mod people;
mod platform;
mod queue;
mod report;
mod samples;
mod scale;
mod soak;
mod turns;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::database::StoreKind;
use crate::report::Report;

#[derive(Debug, Parser)]
#[command(about = "Measures fanvue-bot under load; run it with --release")]
struct Options {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand needs to know.
#[derive(Debug, Args)]
struct Common {
    /// What the bot stores in.
    #[arg(long, global = true, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// Keep the database in this folder, which must not have one yet. Without it, it lies beside the
    /// program, on the same disk, and is removed at the end.
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The Postgres database to load, which should be empty: postgres://role:password@host/database. The role
    /// owns it and is no superuser.
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// Print one line of JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Signed webhooks over HTTP: durable acknowledgements a second, and how long each takes.
    Intake(intake::Options),
    /// No-op jobs: how fast they are enqueued, and worked off in order.
    Queue(queue::Options),
    /// Millions of no-op jobs: whether claims stay as fast, and the tables as small, as at first.
    Soak(soak::Options),
    /// From enqueueing a job to its start, at light load.
    Latency(latency::Options),
    /// Whole replies, with a model and a Fanvue that answer at once.
    Turns(turns::Options),
    /// Whether a clock tells an unknown tenant from a bad signature at the webhook door.
    Door(door::Options),
    /// Memory and connections while many slow model calls are under way.
    Inflight(inflight::Options),
    /// What the other creators notice when one floods the queue.
    Fairness(fairness::Options),
    /// What an intake and a reply cost as the data grows.
    Scale(scale::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let Options { common, command } = Options::parse();
    match run(&common, command).await {
        Ok(report) => {
            report.print(common.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(common: &Common, command: Command) -> anyhow::Result<Report> {
    match command {
        Command::Intake(options) => intake::run(common, &options).await,
        Command::Queue(options) => queue::run(common, &options).await,
        Command::Soak(options) => soak::run(common, &options).await,
        Command::Latency(options) => latency::run(common, &options).await,
        Command::Turns(options) => turns::run(common, &options).await,
        Command::Door(options) => door::run(common, &options).await,
        Command::Inflight(options) => inflight::run(common, &options).await,
        Command::Fairness(options) => fairness::run(common, &options).await,
        Command::Scale(options) => scale::run(common, &options).await,
    }
}
