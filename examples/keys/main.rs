//! Makes master keys, says which key secrets are under, and brings them under another one while the bot serves.
//!
//! ```sh
//! cargo run --example keys -- generate master.key
//! cargo run --example keys -- status --sqlite bot.db --key-file master.key
//! cargo run --example keys -- rotate --sqlite bot.db --key-file new.key --other-key-file master.key
//! ```
//!
//! `docs/guides/rotate-keys.md` goes through a whole change of the key. Its `KeySource`s are to copy from: files,
//! environment variables, and a key service.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test fails by panicking")
)]

mod env;
mod file;
mod service;
mod source;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Parser};
use fanvue_bot::entropy::{Entropy as _, OsEntropy};
use fanvue_bot::secret::{
    KeySource as _, MasterKey, Rewrap, Rotation, RotationReport, RotationStep, Secret,
};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use tokio::net::TcpListener;

use crate::service::Service;

#[derive(Debug, Parser)]
#[command(about = "Master keys: make one, see what is under which, change it while the bot serves")]
enum Command {
    /// Makes a key, in a new file that nobody but its owner may read.
    Generate {
        /// The file.
        file: PathBuf,
    },
    /// Makes a key and has a key service wrap it; the file holds nothing but the wrapped key.
    GenerateWrapped {
        /// The file.
        file: PathBuf,
        /// The address of the key service.
        #[arg(long, value_name = "URL")]
        key_service: String,
    },
    /// Says how many secrets are under another key than the one that seals.
    Status(Place),
    /// Brings all secrets under the key that seals, while others read and write them. Can be stopped anywhere and
    /// started again.
    Rotate(Place),
    /// Runs a stand-in for a key service, to try things on. Not one to use.
    StandIn {
        /// The key that it wraps with.
        #[arg(long, value_name = "FILE")]
        root_key_file: PathBuf,
        /// Where it listens.
        #[arg(long, default_value = "127.0.0.1:8799")]
        listen: String,
    },
}

/// Where the secrets are, and the keys.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keys: source::Options,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Database {
    /// The SQLite file.
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,
    /// The Postgres database: postgres://role:password@host/database
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Command::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate { file } => {
            let (key, id) = generate()?;
            let text = Secret::new(STANDARD.encode(key.expose()));
            write(&file, text.expose())?;
            println!("key {id} is in {}", file.display());
        }
        Command::GenerateWrapped { file, key_service } => {
            let (key, id) = generate()?;
            let wrapped = Service::new(&key_service)?.wrap(&key).await?;
            write(&file, wrapped.as_bytes())?;
            println!(
                "key {id} is in {}, wrapped by {key_service}",
                file.display()
            );
        }
        Command::Status(place) => {
            let vault = open(place).await?;
            let left = vault.count_under_other_keys().await?;
            println!("sealed under key {} from now on", vault.primary_key());
            println!("under another key: {left}");
        }
        Command::Rotate(place) => return rotate(open(place).await?).await,
        Command::StandIn {
            root_key_file,
            listen,
        } => {
            let root = file::KeyFiles::new(root_key_file, None).keyring().await?;
            let listener = TcpListener::bind(&listen).await?;
            println!("a stand-in for a key service, not one to use: http://{listen}");
            stand_in::serve(listener, root).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A new key, and its id.
fn generate() -> anyhow::Result<(Secret, String)> {
    let mut bytes = vec![0; 32];
    OsEntropy.fill(&mut bytes)?;
    let key = Secret::new(bytes);
    let id = MasterKey::from_bytes(key.expose())?.id().to_string();
    Ok((key, id))
}

fn write(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    file::write_new(file, text).with_context(|| {
        format!(
            "{} cannot be written; nothing is written over an existing file",
            file.display()
        )
    })
}

async fn open(place: Place) -> anyhow::Result<Arc<dyn Rewrap>> {
    let keyring = place.keys.source()?.keyring().await?;
    Ok(match (place.database.sqlite, place.database.database_url) {
        (Some(path), _) => {
            anyhow::ensure!(path.exists(), "there is no database at {}", path.display());
            Arc::new(SqliteVault::new(SqliteBackend::open(path).await?, keyring))
        }
        (None, Some(address)) => {
            let backend = PostgresBackend::open(address).await?;
            Arc::new(PostgresVault::new(backend, keyring))
        }
        (None, None) => anyhow::bail!("name the database: --sqlite or --database-url"),
    })
}

async fn rotate(vault: Arc<dyn Rewrap>) -> anyhow::Result<ExitCode> {
    let mut rotation = Rotation::new(vault);
    loop {
        match rotation.step().await? {
            RotationStep::Going(progress) => {
                println!("{} of {} secrets", progress.done, progress.found);
            }
            RotationStep::Ended(report) => return Ok(end(report)),
        }
    }
}

/// Says what came of it: whether the other key can go.
fn end(report: RotationReport) -> ExitCode {
    println!("brought under key {}: {}", report.primary, report.rewrapped);
    for (id, error) in report.shut {
        let error = anyhow::Error::from(error);
        println!("{id} was left as it is: {error:#}");
    }
    if report.left == 0 {
        println!("none is under another key: the other key can be taken away");
        return ExitCode::SUCCESS;
    }
    println!(
        "{} under another key: keep it, see that every process seals with key {}, and run this again",
        report.left, report.primary
    );
    ExitCode::FAILURE
}
