//! What the queue does beyond the common contract: its tables stay clean, and it wakes in time.

use std::path::Path;
use std::time::{Duration, Instant};

use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedLane, Enqueued, FailureNote, JobQueue as _, Priority, QueueError,
    WorkerId,
};
use fanvue_bot_sqlx::{QueueSettings, SqliteBackend};
use tokio::time::timeout;

use crate::given::{at, conversation_id, db, job};

const LEASE: Duration = Duration::from_secs(30);
/// Far longer than a wake needs, and far shorter than [`SELDOM`].
const LIMIT: Duration = Duration::from_secs(20);
/// A poll that wakes nobody during a test.
const SELDOM: Duration = Duration::from_secs(3_600);

fn worker() -> WorkerId {
    WorkerId::new("worker")
}

fn claims(lanes: Vec<ClaimedLane>) -> Vec<Claim> {
    lanes
        .into_iter()
        .flat_map(|lane| lane.jobs)
        .map(|job| job.claim)
        .collect()
}

async fn claim(backend: &SqliteBackend, seconds: i64) -> Vec<ClaimedLane> {
    backend
        .claim(&worker(), &ClaimLimits::lanes(100), at(seconds), LEASE)
        .await
        .unwrap()
}

/// A second handle on the same file, as another process has one.
async fn polling(path: &Path, poll_interval: Duration) -> SqliteBackend {
    let mut settings = QueueSettings::default();
    settings.poll_interval = poll_interval;
    let builder = SqliteBackend::builder(path).queue(settings);
    builder.open().await.unwrap()
}

#[tokio::test]
async fn what_is_done_leaves_only_its_key_and_that_for_a_day() {
    let db = db().await;
    let jobs: Vec<_> = (0..50)
        .map(|n| job(conversation_id(1, n), &format!("key {n}"), 0))
        .collect();
    db.backend.enqueue(&jobs).await.unwrap();
    let lanes = claim(&db.backend, 1).await;
    assert_eq!(lanes.len(), 50);
    db.backend.complete(claims(lanes), at(2)).await.unwrap();
    assert_eq!(db.count("SELECT count(*) FROM jobs").await, 0);
    assert_eq!(db.count("SELECT count(*) FROM lanes").await, 0);
    assert_eq!(db.count("SELECT count(*) FROM job_keys").await, 50);
    assert_eq!(
        db.backend.enqueue(&jobs).await.unwrap()[0],
        Enqueued::Duplicate
    );

    claim(&db.backend, 86_403).await;
    assert_eq!(db.count("SELECT count(*) FROM job_keys").await, 0);
    assert!(matches!(
        db.backend.enqueue(&jobs).await.unwrap()[0],
        Enqueued::New(_)
    ));
}

#[tokio::test]
async fn a_deep_lane_is_handed_out_in_pieces_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::builder(dir.path().join("bot.db"))
        .lane_cap(10)
        .open()
        .await
        .unwrap();
    let lane = conversation_id(1, 1);
    let jobs: Vec<_> = (0..25).map(|n| job(lane, &format!("{n}"), -n)).collect();
    backend.enqueue(&jobs).await.unwrap();
    let mut dues = Vec::new();
    for expected in [10, 10, 5] {
        let mut lanes = claim(&backend, 1).await;
        let jobs = lanes.pop().unwrap().jobs;
        assert_eq!(jobs.len(), expected);
        assert!(claim(&backend, 1).await.is_empty(), "the lane is held");
        dues.extend(jobs.iter().map(|job| job.due));
        let claims = jobs.into_iter().map(|job| job.claim).collect();
        backend.complete(claims, at(1)).await.unwrap();
    }
    assert!(dues.is_sorted());
}

#[tokio::test]
async fn a_backlog_of_one_creator_leaves_room_for_the_others() {
    let db = db().await;
    let mut jobs: Vec<_> = (0..2_000)
        .map(|n| job(conversation_id(7, n), &format!("{n}"), -100))
        .collect();
    for creator in [3, 9, 5] {
        for fan in 0..5 {
            jobs.push(job(conversation_id(creator, fan), &format!("{fan}"), 0));
        }
    }
    db.backend.enqueue(&jobs).await.unwrap();
    let lanes = db
        .backend
        .claim(&worker(), &ClaimLimits::lanes(40), at(1), LEASE)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 40);
    let of = |creator| {
        let id = conversation_id(creator, 0).creator;
        lanes
            .iter()
            .filter(|lane| lane.ordering_key.creator == id)
            .count()
    };
    assert_eq!([of(3), of(5), of(9), of(7)], [5, 5, 5, 25]);
    for _ in 0..10 {
        let lanes = db
            .backend
            .claim(&worker(), &ClaimLimits::lanes(100), at(1), LEASE)
            .await
            .unwrap();
        assert_eq!(lanes.len(), 100, "no claim of a long backlog falls short");
    }
}

#[tokio::test]
async fn a_better_priority_goes_first_also_from_a_long_backlog() {
    let db = db().await;
    let mut jobs: Vec<_> = (0..1_000)
        .map(|n| job(conversation_id(7, n), &format!("{n}"), -100).priority(Priority::Broadcast))
        .collect();
    jobs.push(job(conversation_id(7, 5_000), "live", 0));
    db.backend.enqueue(&jobs).await.unwrap();
    let lanes = db
        .backend
        .claim(&worker(), &ClaimLimits::lanes(1), at(1), LEASE)
        .await
        .unwrap();
    assert_eq!(lanes[0].ordering_key, conversation_id(7, 5_000).into());
}

#[tokio::test]
async fn a_claim_that_was_taken_over_ends_nothing() {
    let db = db().await;
    let lane = conversation_id(1, 1);
    db.backend.enqueue(&[job(lane, "a", 0)]).await.unwrap();
    let mut old = claims(claim(&db.backend, 0).await);
    let mut new = claims(claim(&db.backend, 31).await);
    let (old, new) = (old.pop().unwrap(), new.pop().unwrap());
    assert!(new.token > old.token);
    let note = FailureNote::new("late");
    assert!(
        db.backend
            .extend(&[old.duplicate()], at(32), LEASE)
            .await
            .unwrap()
            .is_empty()
    );
    for result in [
        db.backend.complete(vec![old.duplicate()], at(32)).await,
        db.backend.reschedule(old.duplicate(), at(99), &note).await,
        db.backend.dead_letter(old, at(32), &note).await,
    ] {
        assert!(matches!(result, Err(QueueError::ClaimLost { .. })));
    }
    db.backend
        .dead_letter(new.duplicate(), at(33), &note)
        .await
        .unwrap();
    assert!(matches!(
        db.backend.complete(vec![new], at(33)).await,
        Err(QueueError::ClaimLost { .. })
    ));
    assert_eq!(db.count("SELECT count(*) FROM dead_letters").await, 1);
    assert_eq!(db.count("SELECT count(*) FROM lanes").await, 0);
}

#[tokio::test]
async fn a_lane_waits_for_its_rescheduled_job_and_not_for_a_later_one() {
    let db = db().await;
    let lane = conversation_id(1, 1);
    let jobs = [job(lane, "a", 0), job(lane, "b", 500)];
    db.backend.enqueue(&jobs).await.unwrap();
    let mut held = claims(claim(&db.backend, 1).await);
    assert_eq!(held.len(), 1);
    let note = FailureNote::new("overloaded");
    let claim_a = held.pop().unwrap();
    db.backend.reschedule(claim_a, at(60), &note).await.unwrap();
    db.backend.enqueue(&[job(lane, "c", 2)]).await.unwrap();
    assert!(claim(&db.backend, 59).await.is_empty());
    let lanes = claim(&db.backend, 60).await;
    let dues: Vec<_> = lanes[0]
        .jobs
        .iter()
        .map(|job| (job.due, job.attempt))
        .collect();
    assert_eq!(dues, [(at(2), 1), (at(60), 2)]);
}

#[tokio::test]
async fn the_part_of_a_lane_that_is_not_extended_lapses() {
    let db = db().await;
    let lane = conversation_id(1, 1);
    let jobs = [job(lane, "a", 0), job(lane, "b", 0)];
    db.backend.enqueue(&jobs).await.unwrap();
    let held = claims(claim(&db.backend, 0).await);
    let kept = db.backend.extend(&held[..1], at(20), LEASE).await.unwrap();
    assert_eq!(kept[0].leased_until, at(50));
    assert!(
        claim(&db.backend, 40).await.is_empty(),
        "one of the lane is still held"
    );
    db.backend.complete(kept, at(41)).await.unwrap();
    assert_eq!(claim(&db.backend, 42).await.len(), 1);
}

#[tokio::test]
async fn who_waits_is_woken_by_an_enqueue_and_by_the_next_due_time() {
    let db = db().await;
    let backend = polling(&db.path, SELDOM).await;
    let lane = conversation_id(1, 1);
    backend.ready().await.unwrap();
    assert!(claim(&backend, 0).await.is_empty());

    let waiting = backend.clone();
    let waiting = tokio::spawn(async move { waiting.ready().await });
    backend.enqueue(&[job(lane, "a", 0)]).await.unwrap();
    let woken = timeout(LIMIT, waiting).await;
    woken.expect("an enqueue wakes").unwrap().unwrap();
    let held = claims(claim(&backend, 1).await);
    backend.complete(held, at(1)).await.unwrap();

    backend.enqueue(&[job(lane, "b", 3)]).await.unwrap();
    let now = at(3).minus(Duration::from_millis(100));
    let early = backend
        .claim(&worker(), &ClaimLimits::lanes(9), now, LEASE)
        .await;
    assert_eq!(early.unwrap(), []);
    let begun = Instant::now();
    let woken = timeout(LIMIT, backend.ready()).await;
    woken.expect("the due time wakes").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(90));
}

#[tokio::test]
async fn what_another_process_enqueues_is_seen_by_the_poll() {
    let db = db().await;
    let here = polling(&db.path, Duration::from_millis(50)).await;
    assert!(claim(&here, 0).await.is_empty());
    let waiting = here.clone();
    let waiting = tokio::spawn(async move { waiting.ready().await });
    let enqueued = [job(conversation_id(1, 1), "a", 0)];
    db.backend.enqueue(&enqueued).await.unwrap();
    let woken = timeout(LIMIT, waiting).await;
    woken.expect("the poll wakes").unwrap().unwrap();
    assert_eq!(claim(&here, 1).await.len(), 1);
}
