//! The master key changes under load, and whoever changes it is killed again and again.
//!
//! 600 secrets by default; set `ROTATION_SECRETS` for more.

#![expect(
    clippy::print_stdout,
    reason = "the process that is killed says how far it is, and the test what it counted"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::secret::{
    Keyring, MasterKey, Rewrap, Rotation, RotationStep, Secret, SecretId, SecretKind,
};
use fanvue_bot_sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::given::conversation_id;
use crate::postgres::server::fresh;

const PLACE: &str = "FANVUE_BOT_SQLX_TEST_ROTATION";
const KILLS: u64 = 5;
const READERS: u64 = 2;
const WRITERS: u64 = 2;

/// Where the secrets are, as one process tells another.
#[derive(Debug, Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    fn parse(text: &str) -> Self {
        match text.strip_prefix("sqlite:") {
            Some(path) => Self::Sqlite(path.into()),
            None => Self::Postgres(text.to_owned()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(address) => address.clone(),
        }
    }

    async fn open(&self, keyring: Keyring) -> Arc<dyn Rewrap> {
        match self {
            Self::Sqlite(path) => {
                let backend = SqliteBackend::open(path).await.unwrap();
                Arc::new(SqliteVault::new(backend, keyring))
            }
            Self::Postgres(address) => {
                let backend = PostgresBackend::open(address).await.unwrap();
                Arc::new(PostgresVault::new(backend, keyring))
            }
        }
    }
}

fn key(first: u8) -> MasterKey {
    let mut bytes = [7; 32];
    bytes[0] = first;
    MasterKey::from_bytes(&bytes).unwrap()
}

fn both() -> Keyring {
    Keyring::builder(key(2)).other(key(1)).build().unwrap()
}

fn id(number: u64) -> SecretId {
    let creator = conversation_id(u128::from(number / 2), 0).creator;
    let kind = if number.is_multiple_of(2) {
        SecretKind::TokenSet
    } else {
        SecretKind::WebhookSecret
    };
    SecretId::of_creator(creator, kind)
}

/// A secret as long as a token set is.
fn secret(number: u64, version: u64) -> Secret {
    Secret::new(format!("{number}/{version}/{}", "x".repeat(500)))
}

/// Does nothing unless started by the tests below.
#[tokio::test]
async fn child_that_rotates_until_it_is_killed() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let vault = Place::parse(&place).open(both()).await;
    let mut rotation = Rotation::new(vault);
    loop {
        match rotation.step().await.unwrap() {
            RotationStep::Going(progress) => {
                println!("going {} {}", progress.found, progress.done);
            }
            RotationStep::Ended(report) => {
                println!("ended {} {}", report.left, report.shut.len());
                return;
            }
        }
    }
}

/// Runs the child until all but `until` secrets are done, kills it then, or lets it end.
async fn rotate(place: &Place, until: Option<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rotation::child_that_rotates_until_it_is_killed"])
        .arg("--nocapture")
        .env(PLACE, place.text())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["going", found, done] => {
                let left = found.parse::<u64>().unwrap() - done.parse::<u64>().unwrap();
                if until.is_some_and(|until| left <= until) {
                    child.kill().await.unwrap();
                    return;
                }
            }
            ["ended", left, shut] => {
                assert_eq!((left, shut), ("0", "0"));
                assert_eq!(until, None, "it ended before it was killed");
            }
            _ => {}
        }
    }
    assert!(child.wait().await.unwrap().success());
}

/// What one who reads or writes has seen.
#[derive(Debug, Default)]
struct Seen {
    took: Vec<Duration>,
    failed: Vec<String>,
}

impl Seen {
    /// Notes one request that began at `begun`.
    fn note<T, E: std::fmt::Debug>(&mut self, begun: Instant, result: Result<T, E>) -> Option<T> {
        self.took.push(begun.elapsed());
        result
            .map_err(|error| self.failed.push(format!("{error:?}")))
            .ok()
    }
}

/// Reads secrets anywhere.
async fn reads(vault: Arc<dyn Rewrap>, who: u64, count: u64, over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let number = Seed::new(who)
            .derive(&round.to_string())
            .in_range(0, count - 1);
        let begun = Instant::now();
        let read = seen.note(begun, vault.get(&id(number)).await);
        if let Some(read) = read {
            let value = read.expect("a secret").value;
            let words = value.expose_text().unwrap();
            assert!(words.starts_with(&format!("{number}/")));
        }
    }
    seen
}

/// Replaces its own secrets, as token refreshes do: reads, and puts at the revision that it read.
async fn writes(vault: Arc<dyn Rewrap>, who: u64, count: u64, over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    for round in 1_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let mine = Seed::new(who).derive(&round.to_string());
        let number = mine.in_range(0, count / WRITERS - 1) * WRITERS + who % WRITERS;
        let Ok(Some(stored)) = vault.get(&id(number)).await else {
            seen.failed.push("a read before a write".to_owned());
            continue;
        };
        let begun = Instant::now();
        let next = secret(number, round);
        seen.note(
            begun,
            vault.put(&id(number), &next, Some(stored.revision)).await,
        );
    }
    seen
}

/// The given part of the times, from the shortest.
fn percentile(took: &mut [Duration], hundredths: usize) -> Duration {
    took.sort_unstable();
    took.get((took.len() * hundredths / 100).min(took.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

async fn load(
    vault: &Arc<dyn Rewrap>,
    count: u64,
    what: impl Future<Output = ()>,
) -> (Vec<Duration>, Vec<Duration>) {
    let over = Arc::new(AtomicBool::new(false));
    let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
    for who in 0..READERS {
        readers.spawn(reads(Arc::clone(vault), who, count, Arc::clone(&over)));
    }
    for who in 0..WRITERS {
        writers.spawn(writes(Arc::clone(vault), who, count, Arc::clone(&over)));
    }
    what.await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for tasks in [readers, writers] {
        let mut took = Vec::new();
        for seen in tasks.join_all().await {
            assert_eq!(seen.failed, Vec::<String>::new());
            took.extend(seen.took);
        }
        all.push(took);
    }
    let writes = all.pop().unwrap();
    (all.pop().unwrap(), writes)
}

fn report(what: &str, lasted: Duration, (mut reads, mut writes): (Vec<Duration>, Vec<Duration>)) {
    println!(
        "{what}: {:.1} s; {} reads, p50 {:?}, p99 {:?}; {} writes, p50 {:?}, p99 {:?}; 0 failed",
        lasted.as_secs_f64(),
        reads.len(),
        percentile(&mut reads, 50),
        percentile(&mut reads, 99),
        writes.len(),
        percentile(&mut writes, 50),
        percentile(&mut writes, 99),
    );
}

async fn check(place: &Place) {
    let asked: Option<u64> = std::env::var("ROTATION_SECRETS")
        .ok()
        .and_then(|text| text.parse().ok());
    let count = asked.unwrap_or(600);
    let old = place.open(Keyring::new(key(1))).await;
    let numbers: Vec<u64> = (0..count).collect();
    for some in numbers.chunks(64) {
        let puts = some.iter().map(|number| {
            let old = &old;
            async move { old.put(&id(*number), &secret(*number, 0), None).await }
        });
        assert!(join_all(puts).await.iter().all(Result::is_ok));
    }
    let serving = place.open(both()).await;
    assert_eq!(serving.count_under_other_keys().await.unwrap(), count);

    let begun = Instant::now();
    let under_load = load(&serving, count, async {
        for kill in 1..=KILLS {
            let left = count - count * kill / (KILLS + 1);
            rotate(place, Some(left)).await;
        }
        rotate(place, None).await;
    })
    .await;
    let lasted = begun.elapsed();
    report(
        &format!("{count} secrets rotated, killed {KILLS} times"),
        lasted,
        under_load,
    );
    if asked.is_some() {
        // To compare with: how long the same requests take when nothing is rotated.
        let begun = Instant::now();
        let alone = load(&serving, count, tokio::time::sleep(Duration::from_secs(10))).await;
        report("the same load alone", begun.elapsed(), alone);
    }

    assert_eq!(serving.count_under_other_keys().await.unwrap(), 0);
    let new = place.open(Keyring::new(key(2))).await;
    for some in numbers.chunks(64) {
        let gets = join_all(some.iter().map(|number| {
            let new = &new;
            async move { new.get(&id(*number)).await }
        }))
        .await;
        for (number, stored) in some.iter().zip(gets) {
            let value = stored.unwrap().unwrap().value;
            let words = value.expose_text().unwrap();
            assert!(words.starts_with(&format!("{number}/")), "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_on_sqlite_survives_kills_and_fails_nobody() {
    let dir = tempfile::tempdir().unwrap();
    check(&Place::Sqlite(dir.path().join("bot.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_on_postgres_survives_kills_and_fails_nobody() {
    let Some(database) = fresh().await else {
        return;
    };
    check(&Place::Postgres(database.address())).await;
}
