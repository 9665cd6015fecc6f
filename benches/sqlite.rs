//! What SQLite takes in and works off, beside what the disk and the driver allow.
//!
//! `cargo bench --bench sqlite`. The floor is one row inserted in a transaction of its own, again and
//! again on one connection, as durable as the back end's commits: what an adapter without group commit
//! could reach at best. Floor and subject take turns in the same run and the lines with `ratio` compare
//! the sums, so other work on the machine weighs on both alike.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up should stop, and prints what it measured"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanvue_bot::backend::CommitAndEnqueue as _;
use fanvue_bot::conversation::Conversation;
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{ConversationId, CreatorId, FanId, MessageId};
use fanvue_bot::message::{Author, Content, Message, MessageType};
use fanvue_bot::queue::{ClaimLimits, IdempotencyKey, JobQueue as _, NewJob, WorkerId};
use fanvue_bot::sqlx::SqliteBackend;
use fanvue_bot::store::{ConversationChange, Store as _};
use fanvue_bot::time::Timestamp;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const TASKS: usize = 64;
const LEASE: Duration = Duration::from_secs(30);

static NEXT: AtomicU64 = AtomicU64::new(1);

fn next() -> u128 {
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_790_000_000)
}

struct Stage {
    runtime: Runtime,
    backend: SqliteBackend,
    floor: SqliteConnection,
    _dir: TempDir,
}

fn stage() -> Stage {
    let runtime = Runtime::new().unwrap();
    let dir = TempDir::new_in(".").unwrap();
    let (backend, floor) = runtime.block_on(async {
        let backend = SqliteBackend::open(dir.path().join("bot.db"))
            .await
            .unwrap();
        let mut floor = SqliteConnectOptions::new()
            .filename(dir.path().join("floor.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await
            .unwrap();
        sqlx::query("CREATE TABLE rows (id BLOB PRIMARY KEY, body TEXT NOT NULL) STRICT")
            .execute(&mut floor)
            .await
            .unwrap();
        (backend, floor)
    });
    Stage {
        runtime,
        backend,
        floor,
        _dir: dir,
    }
}

/// One row in a transaction of its own, `count` times.
async fn floor(connection: &mut SqliteConnection, count: usize) {
    for _ in 0..count {
        sqlx::query("INSERT INTO rows (id, body) VALUES (?1, ?2)")
            .bind(Uuid::from_u128(next() << 64).as_bytes().to_vec())
            .bind("hello, how are you today? i was thinking of you")
            .execute(&mut *connection)
            .await
            .unwrap();
    }
}

/// Whether the conversation is read before it is written, as the intake of a webhook does.
#[derive(Clone, Copy)]
enum Look {
    Before,
    No,
}

/// A fan's first message: conversation, message and job in one commit.
async fn take_in(backend: &SqliteBackend, look: Look) {
    let number = next();
    let id = ConversationId::new(
        CreatorId::from_uuid(Uuid::from_u128(number % 300)),
        FanId::from_uuid(Uuid::from_u128(number << 64)),
    );
    if matches!(look, Look::Before) {
        assert!(backend.conversation(id).await.unwrap().is_none());
    }
    let mut change = ConversationChange::new(Conversation::new(id, Seed::new(7)));
    change.messages.push(Message {
        id: MessageId::from_uuid(Uuid::from_u128(number << 64)),
        conversation: id,
        author: Author::Fan,
        kind: MessageType::SingleRecipient,
        content: Content::text("hello, how are you today? i was thinking of you"),
        sent_at: now(),
        stored_at: now(),
        tokens: None,
        turn: None,
        decision: None,
        deleted_at: None,
    });
    let job = NewJob::wake(id, now(), IdempotencyKey::new(format!("wake/{number}")));
    backend
        .commit_and_enqueue(&change.into(), None, &[job])
        .await
        .unwrap();
}

async fn take_in_many(backend: &SqliteBackend, look: Look, count: usize) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let backend = backend.clone();
            let share = count / TASKS + usize::from(task < count % TASKS);
            tokio::spawn(async move {
                for _ in 0..share {
                    take_in(&backend, look).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn enqueue(backend: &SqliteBackend, count: usize) {
    for start in (0..count).step_by(1_000) {
        let jobs: Vec<_> = (start..count.min(start + 1_000))
            .map(|_| {
                let number = next();
                let id = ConversationId::new(
                    CreatorId::from_uuid(Uuid::from_u128(number % 300)),
                    FanId::from_uuid(Uuid::from_u128(number << 64)),
                );
                NewJob::wake(id, now(), IdempotencyKey::new(format!("wake/{number}")))
            })
            .collect();
        backend.enqueue(&jobs).await.unwrap();
    }
}

/// Works off what waits, a hundred lanes at a time.
async fn drain(backend: &SqliteBackend) -> usize {
    let worker = WorkerId::new("bench");
    let mut done = 0;
    loop {
        let lanes = backend
            .claim(&worker, &ClaimLimits::lanes(100), now(), LEASE)
            .await
            .unwrap();
        if lanes.is_empty() {
            return done;
        }
        let claims: Vec<_> = lanes
            .into_iter()
            .flat_map(|lane| lane.jobs)
            .map(|job| job.claim)
            .collect();
        done += claims.len();
        backend.complete(claims, now()).await.unwrap();
    }
}

/// Floor and subject in turns; prints how many times the floor's rate the subject's is.
fn ratios(_: &mut Criterion) {
    const ROUNDS: usize = 8;
    const ROWS: usize = 1_000;
    const JOBS: usize = 8_000;
    if !std::env::args().any(|argument| argument == "--bench") {
        // As a test, running everything once below is enough.
        return;
    }
    let mut stage = stage();
    let Stage {
        runtime,
        backend,
        floor: connection,
        ..
    } = &mut stage;
    let mut spent = [Duration::ZERO; 4];
    let mut drained = 0;
    runtime.block_on(async {
        take_in_many(backend, Look::No, JOBS).await;
        drain(backend).await;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            floor(connection, ROWS).await;
            spent[0] += begun.elapsed();
            let begun = Instant::now();
            take_in_many(backend, Look::No, JOBS).await;
            spent[1] += begun.elapsed();
            let begun = Instant::now();
            take_in_many(backend, Look::Before, JOBS).await;
            spent[3] += begun.elapsed();
            let begun = Instant::now();
            drained += drain(backend).await;
            spent[2] += begun.elapsed();
        }
    });
    let rate = |count: usize, spent: Duration| count as f64 / spent.as_secs_f64();
    let floor = rate(ROUNDS * ROWS, spent[0]);
    let intake = rate(ROUNDS * JOBS, spent[1]);
    let look = rate(ROUNDS * JOBS, spent[3]);
    let work = rate(drained, spent[2]);
    println!("sqlite floor: {floor:.0} single-row transactions/s");
    println!(
        "sqlite intake, {TASKS} tasks: {intake:.0}/s, ratio {:.2} to the floor",
        intake / floor
    );
    println!(
        "sqlite intake with a look before, {TASKS} tasks: {look:.0}/s, ratio {:.2} to the floor",
        look / floor
    );
    println!(
        "sqlite claim and complete by 100: {work:.0} jobs/s, ratio {:.2} to the floor",
        work / floor
    );
}

fn figures(criterion: &mut Criterion) {
    let mut stage = stage();
    let Stage {
        runtime,
        backend,
        floor: connection,
        ..
    } = &mut stage;
    let mut group = criterion.benchmark_group("sqlite");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor: one row a transaction", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            runtime.block_on(floor(connection, usize::try_from(count).unwrap()));
            begun.elapsed()
        });
    });
    group.bench_function("intake, 64 tasks", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            runtime.block_on(take_in_many(
                backend,
                Look::No,
                usize::try_from(count).unwrap(),
            ));
            begun.elapsed()
        });
    });
    group.bench_function("intake, alone", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            runtime.block_on(async {
                for _ in 0..count {
                    take_in(backend, Look::No).await;
                }
            });
            begun.elapsed()
        });
    });
    runtime.block_on(drain(backend));
    group.bench_function("claim and complete by 100", |bencher| {
        bencher.iter_custom(|count| {
            runtime.block_on(enqueue(backend, usize::try_from(count).unwrap()));
            let begun = Instant::now();
            runtime.block_on(drain(backend));
            begun.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, ratios, figures);
criterion_main!(benches);
