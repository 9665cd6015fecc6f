//! What statements cost: how SQLite means to run each, and how many steps a claim takes as jobs pile up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanvue_bot_core::id::{ConversationId, CreatorId, FanId};
use fanvue_bot_core::queue::{ClaimLimits, IdempotencyKey, JobQueue as _, NewJob, WorkerId};
use fanvue_bot_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use uuid::Uuid;

use super::{
    Claiming, State, Transaction, broadcast, claim, commit, end, erase, erase_creator, lanes,
    lease, purge, register, secret, statement,
};
use crate::sqlite::{
    SqliteBackend, SqliteBuilder, broadcasts, decisions, queue, store, vault, wake,
};

fn statements() -> Vec<String> {
    [
        broadcast::STATEMENTS,
        broadcasts::STATEMENTS,
        claim::STATEMENTS,
        decisions::STATEMENTS,
        end::STATEMENTS,
        erase::STATEMENTS,
        erase_creator::STATEMENTS,
        lanes::STATEMENTS,
        lease::STATEMENTS,
        purge::STATEMENTS,
        queue::STATEMENTS,
        register::STATEMENTS,
        secret::STATEMENTS,
        store::STATEMENTS,
        vault::STATEMENTS,
        wake::STATEMENTS,
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .chain(commit::statements())
    .collect()
}

/// What may be read from end to end: the parameters themselves, and rows found through an index.
fn may_scan(what: &str) -> bool {
    let name = what.split(' ').next().unwrap_or_default();
    matches!(
        name,
        "k" | "known" | "present" | "t" | "turn" | "n" | "json_each"
    ) || name.starts_with("(subquery")
        || what.ends_with("-ROW VALUES CLAUSE")
        || what.contains("CONSTANT ROW")
}

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(connection)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect()
}

fn job(creator: u128, lane: u128, due: i64) -> NewJob {
    let conversation = ConversationId::new(
        CreatorId::from_uuid(Uuid::from_u128(creator)),
        FanId::from_uuid(Uuid::from_u128(lane)),
    );
    NewJob::wake(
        conversation,
        Timestamp::from_seconds(due),
        IdempotencyKey::new(format!("{creator}/{lane}/{due}")),
    )
}

/// A database in which one creator has `waiting` lanes that are due, as many that are not, one lane as
/// deep, and twenty others have one due lane each.
async fn filled(waiting: u128) -> (tempfile::TempDir, SqliteBuilder) {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteBackend::builder(dir.path().join("queue.db"))
        .synchronous(crate::sqlite::Synchronous::Normal);
    let backend = options.clone().open().await.unwrap();
    let mut jobs = Vec::new();
    for lane in 0..waiting {
        jobs.push(job(1, lane, 10));
        jobs.push(job(1, waiting + lane, 1_000));
        jobs.push(job(1, u128::MAX, 10 + i64::try_from(lane).unwrap() % 5));
        jobs.last_mut().unwrap().idempotency_key = IdempotencyKey::new(format!("deep/{lane}"));
    }
    for creator in 2..22 {
        jobs.push(job(creator, 0, 10));
    }
    for some in jobs.chunks(5_000) {
        backend.enqueue(some).await.unwrap();
    }
    backend.close().await;
    (dir, options)
}

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    for rows in [1_000, 100_000 / 3] {
        let (_dir, options) = filled(rows).await;
        let mut connection = options.writer().connect().await.unwrap();
        for sql in statements() {
            for step in plan(&mut connection, &sql).await {
                let fits = step.strip_prefix("SCAN ").is_none_or(may_scan);
                assert!(fits, "{step}\nof {sql:.400}");
            }
        }
    }
}

#[tokio::test]
async fn no_page_of_a_list_is_sorted() {
    let (_dir, options) = filled(10).await;
    let mut connection = options.writer().connect().await.unwrap();
    for sql in [store::STATEMENTS, decisions::LISTS, broadcasts::LISTS].concat() {
        for step in plan(&mut connection, sql).await {
            assert!(!step.contains("TEMP B-TREE"), "{step}\nof {sql}");
        }
    }
}

/// How many steps SQLite's machine takes to claim ten lanes.
async fn steps_to_claim(waiting: u128) -> (u64, usize) {
    let (_dir, options) = filled(waiting).await;
    let mut connection = options.writer().connect().await.unwrap();
    let steps = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&steps);
    connection
        .lock_handle()
        .await
        .unwrap()
        .set_progress_handler(1, move || {
            count.fetch_add(1, Ordering::Relaxed);
            true
        });
    statement(&mut connection, "BEGIN IMMEDIATE").await.unwrap();
    let mut state = State::default();
    let mut transaction = Transaction {
        connection: &mut connection,
        options: &options,
        state: &mut state,
        numbers: 1_000_000..1_000_001,
        lanes_moved: false,
    };
    let before = steps.load(Ordering::Relaxed);
    let claimed = transaction
        .claim(&Claiming {
            worker: WorkerId::new("worker"),
            limits: ClaimLimits::lanes(10),
            now: Timestamp::from_seconds(20),
            lease: Duration::from_secs(30),
        })
        .await
        .unwrap();
    (steps.load(Ordering::Relaxed) - before, claimed.len())
}

#[tokio::test]
async fn a_claim_costs_the_same_however_many_jobs_wait() {
    let (few, claimed) = steps_to_claim(1_000).await;
    assert_eq!(claimed, 10);
    let (many, claimed) = steps_to_claim(100_000 / 3).await;
    assert_eq!(claimed, 10);
    assert!(many < few * 11 / 10, "{few} steps, then {many}");
}
