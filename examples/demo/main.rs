//! A fan writes, the bot answers: the simulator, the bot and a small page in one process.
//!
//! ```sh
//! cargo run --example demo                    # open the printed address and write as a fan
//! cargo run --example demo -- --script        # a packaged conversation, without a browser
//! cargo run --example demo -- --simulator http://127.0.0.1:4010 --data demo-data
//! ```
//!
//! With `LLM_BASE_URL`, `LLM_MODEL` and, where it is needed, `LLM_API_KEY` set, a language model writes the
//! replies. Without them a template does, and says so.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

mod bot;
mod model;
mod page;
mod platform;
mod script;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::App;

use crate::bot::Bot;
use crate::platform::Platform;

#[derive(Debug, Clone, Parser)]
#[command(about = "A simulated Fanvue, a bot and a page to try it on")]
struct Options {
    /// Play a packaged conversation, print what happened, and end.
    #[arg(long)]
    script: bool,
    /// Vary the packaged conversation.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use the simulator at this address instead of one in this process.
    #[arg(long, env = "SIMULATOR_URL")]
    simulator: Option<String>,
    /// Keep the database and its key in this folder. Without it they are temporary. Goes with --simulator: one in
    /// this process forgets the creator's account when it ends, and the database would know another.
    #[arg(long, requires = "simulator")]
    data: Option<PathBuf>,
    /// Where the page and the webhook are served.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: String,
    /// How long replies take: as a person's do, or short, to watch and to test.
    #[arg(long, value_enum, default_value_t = PaceOption::Short)]
    pace: PaceOption,
    /// The OAuth app, as it is registered at the simulator.
    #[arg(long, env = "SIMULATOR_CLIENT_ID", default_value = "simulated-app")]
    client_id: String,
    /// Its secret.
    #[arg(
        long,
        env = "SIMULATOR_CLIENT_SECRET",
        default_value = "simulated-secret",
        hide_env_values = true
    )]
    client_secret: String,
    /// The secret that the simulator signs webhooks with.
    #[arg(
        long,
        env = "SIMULATOR_WEBHOOK_SECRET",
        default_value = "whsec_simulated",
        hide_env_values = true
    )]
    webhook_secret: String,
    /// The creator to answer for, by their handle at the simulator.
    #[arg(long, default_value = "luna-example")]
    creator: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaceOption {
    /// The library's defaults: 8 s of settling, 20 to 180 s of delay.
    Human,
    /// About two seconds of settling, a few of delay.
    Short,
    /// As fast as the guarantees allow.
    Instant,
}

const REDIRECT_URI: &str = "http://127.0.0.1:8787/oauth/callback";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut options: Options) -> anyhow::Result<ExitCode> {
    // A temporary folder goes when it is dropped, at the end.
    let temporary;
    let data = match &options.data {
        Some(folder) => folder.clone(),
        None => {
            temporary = tempfile::tempdir().context(
                "no temporary folder could be made; set TMPDIR to a folder that can be written to",
            )?;
            temporary.path().to_owned()
        }
    };
    let in_process = match &options.simulator {
        Some(_) => None,
        None => Some(start_simulator(&options).await?),
    };
    let base = match (&options.simulator, &in_process) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(simulator)) => simulator.base_url().to_owned(),
        (None, None) => anyhow::bail!("there is no simulator"),
    };
    if options.script {
        options.listen = "127.0.0.1:0".to_owned();
        options.pace = PaceOption::Instant;
    }
    let platform = Platform::new(base, options.client_id.clone())?;
    let bot = Bot::start(&options, &data, platform.clone()).await?;
    platform.send_webhooks_to(&bot.webhook_url()).await?;

    let code = if options.script {
        let outcome = script::play(&bot, &platform, &options).await?;
        if outcome {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    } else {
        println!("Fanvue (simulated)  {}", platform.base_url());
        println!(
            "The bot             {} replies, {}",
            options.creator,
            bot.model_name()
        );
        println!("Open                {}", bot.page_url());
        println!("Ctrl-C ends it.");
        stop_signal().await?;
        ExitCode::SUCCESS
    };
    bot.stop().await;
    if let Some(simulator) = in_process {
        simulator.stop().await;
    }
    Ok(code)
}

async fn start_simulator(options: &Options) -> anyhow::Result<Simulator> {
    let app = App::new(&options.client_id, options.client_secret.as_str())
        .redirect_uri(REDIRECT_URI)
        .webhook_secret(options.webhook_secret.as_str());
    let simulator = Simulator::builder()
        .seed(options.seed)
        .app(app)
        .start()
        .await
        .context("the simulator did not start")?;
    simulator
        .populate()
        .map_err(|error| anyhow::anyhow!("the simulator refused its own people: {error:?}"))?;
    Ok(simulator)
}

/// Ctrl-C, or the signal that service managers end a process with.
async fn stop_signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
