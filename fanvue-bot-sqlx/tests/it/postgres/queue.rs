//! The queue as several processes share it, which here are several back ends on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::queue::{ClaimLimits, Enqueued, JobQueue, NewJob, OrderingKey, WorkerId};
use fanvue_bot_core::time::{Clock as _, SystemClock, Timestamp};
use fanvue_bot_sqlx::PostgresBackend;
use fanvue_bot_sqlx::postgres::{PostgresBuilder, WakeUps};
use sqlx::Row as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::server::{Fresh, fresh, run};
use crate::given::{at, conversation_id, job};
use crate::logging::log;

/// Longer than anything here takes, and shorter than a wait that nobody ends.
const SOON: Duration = Duration::from_secs(30);
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) fn worker() -> WorkerId {
    WorkerId::new("worker")
}

async fn process(
    database: &Fresh,
    settings: impl FnOnce(PostgresBuilder) -> PostgresBuilder,
) -> PostgresBackend {
    let builder = PostgresBackend::builder(database.address()).max_connections(4);
    settings(builder).open().await.unwrap()
}

pub(super) fn polling_every(interval: Duration) -> fanvue_bot_sqlx::QueueSettings {
    let mut settings = fanvue_bot_sqlx::QueueSettings::default();
    settings.poll_interval = interval;
    settings
}

/// Until `waiter` waits, which is after a claim that found nothing.
pub(super) async fn find_nothing(waiter: &PostgresBackend) {
    let claimed = waiter
        .claim(&worker(), &ClaimLimits::lanes(1), SystemClock.now(), LONG)
        .await
        .unwrap();
    assert_eq!(claimed, []);
}

#[tokio::test]
async fn who_waits_is_woken_by_what_another_process_enqueues() {
    let Some(database) = fresh().await else {
        return;
    };
    // Longer than the test may take: only a notification ends the wait in time.
    let seldom = polling_every(Duration::from_secs(3_600));
    let waiter = process(&database, |builder| builder.queue(seldom)).await;
    let other = process(&database, |builder| builder).await;
    // The listener connects on its own time; until it does, the wait is not ended by anybody.
    let mut admin = database.connect_as_admin().await;
    loop {
        let listening = sqlx::query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        if listening.len() == 2 {
            break;
        }
    }
    find_nothing(&waiter).await;
    let waiting = tokio::spawn({
        let waiter = waiter.clone();
        async move { waiter.ready().await }
    });
    other
        .enqueue(&[job(conversation_id(1, 1), "k", 0)])
        .await
        .unwrap();
    timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    let lanes = waiter
        .claim(&worker(), &ClaimLimits::lanes(1), SystemClock.now(), LONG)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);
}

#[tokio::test]
async fn who_does_not_listen_finds_it_by_polling() {
    let Some(database) = fresh().await else {
        return;
    };
    let often = polling_every(Duration::from_millis(20));
    let poll = |builder: PostgresBuilder| builder.wake_ups(WakeUps::Poll).queue(often);
    let waiter = process(&database, poll).await;
    let other = process(&database, |builder| builder).await;
    find_nothing(&waiter).await;
    other
        .enqueue(&[job(conversation_id(1, 1), "k", 0)])
        .await
        .unwrap();
    let found = async {
        loop {
            waiter.ready().await.unwrap();
            let lanes = waiter
                .claim(&worker(), &ClaimLimits::lanes(1), SystemClock.now(), LONG)
                .await
                .unwrap();
            if !lanes.is_empty() {
                break;
            }
        }
    };
    timeout(SOON, found).await.unwrap();
}

#[tokio::test]
async fn a_wait_ends_when_the_next_job_comes_due() {
    let Some(database) = fresh().await else {
        return;
    };
    let seldom = polling_every(Duration::from_secs(3_600));
    let poll = |builder: PostgresBuilder| builder.wake_ups(WakeUps::Poll).queue(seldom);
    let queue = process(&database, poll).await;
    let mut later = job(conversation_id(1, 1), "k", 0);
    later.due = SystemClock.now() + Duration::from_millis(300);
    queue.enqueue(&[later]).await.unwrap();
    find_nothing(&queue).await;
    timeout(SOON, queue.ready()).await.unwrap().unwrap();
    let lanes = queue
        .claim(&worker(), &ClaimLimits::lanes(1), SystemClock.now(), LONG)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);
}

#[tokio::test]
async fn several_processes_never_hold_one_lane_and_end_each_job_once() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(process(&database, |builder| builder).await);
    }
    let jobs: Vec<NewJob> = (0..600)
        .map(|number| {
            job(
                conversation_id(1 + number % 3, number % 40),
                &format!("{number}"),
                0,
            )
        })
        .collect();
    let added: BTreeSet<_> = processes[0]
        .enqueue(&jobs)
        .await
        .unwrap()
        .into_iter()
        .collect_ids();
    assert_eq!(added.len(), 600);

    let held: Arc<Mutex<BTreeSet<OrderingKey>>> = Arc::default();
    let ended: Arc<Mutex<BTreeMap<OrderingKey, Vec<_>>>> = Arc::default();
    let mut workers = JoinSet::new();
    for number in 0..6 {
        let queue = processes[number % 3].clone();
        let (held, ended) = (Arc::clone(&held), Arc::clone(&ended));
        workers.spawn(async move {
            let name = WorkerId::new(format!("worker {number}"));
            loop {
                let lanes = queue
                    .claim(&name, &ClaimLimits::lanes(3), SystemClock.now(), LONG)
                    .await
                    .unwrap();
                if ended.lock().unwrap().values().map(Vec::len).sum::<usize>() == 600 {
                    return;
                }
                for lane in lanes {
                    assert!(
                        held.lock().unwrap().insert(lane.ordering_key.clone()),
                        "in two hands"
                    );
                    tokio::task::yield_now().await;
                    // The model goes first: after the call, another may have the lane.
                    let claims: Vec<_> = lane.jobs.into_iter().map(|job| job.claim).collect();
                    held.lock().unwrap().remove(&lane.ordering_key);
                    ended
                        .lock()
                        .unwrap()
                        .entry(lane.ordering_key)
                        .or_default()
                        .extend(claims.iter().map(|claim| claim.job));
                    queue.complete(claims, SystemClock.now()).await.unwrap();
                }
            }
        });
    }
    let all = timeout(Duration::from_secs(100), workers.join_all()).await;
    assert!(all.is_ok(), "jobs were lost");
    let ended = ended.lock().unwrap();
    let each: BTreeSet<_> = ended.values().flatten().copied().collect();
    assert_eq!(each, added);
    for jobs in ended.values() {
        assert!(
            jobs.is_sorted(),
            "ids of one call grow, so each lane ended in order"
        );
    }
}

trait Ids {
    fn collect_ids(self) -> BTreeSet<fanvue_bot_core::id::JobId>;
}

impl<I: Iterator<Item = Enqueued>> Ids for I {
    fn collect_ids(self) -> BTreeSet<fanvue_bot_core::id::JobId> {
        self.filter_map(|answer| match answer {
            Enqueued::New(id) => Some(id),
            Enqueued::Duplicate => None,
        })
        .collect()
    }
}

#[tokio::test]
async fn whoever_lets_a_lease_lapse_has_it_extended_or_loses_it_and_never_both() {
    let Some(database) = fresh().await else {
        return;
    };
    let slow = process(&database, |builder| builder).await;
    let other = process(&database, |builder| builder).await;
    for round in 0..60 {
        let id = conversation_id(1, round);
        let jobs = [
            job(id, &format!("a{round}"), 0),
            job(id, &format!("b{round}"), 0),
        ];
        slow.enqueue(&jobs).await.unwrap();
        let lanes = slow
            .claim(
                &worker(),
                &ClaimLimits::lanes(1),
                SystemClock.now(),
                Duration::ZERO,
            )
            .await
            .unwrap();
        let claims: Vec<_> = lanes
            .into_iter()
            .flat_map(|lane| lane.jobs)
            .map(|job| job.claim)
            .collect();
        assert_eq!(claims.len(), 2);
        let (thief, one) = (WorkerId::new("thief"), ClaimLimits::lanes(1));
        let (extended, taken) = tokio::join!(
            slow.extend(&claims, SystemClock.now(), LONG),
            other.claim(&thief, &one, SystemClock.now(), LONG),
        );
        let (extended, taken) = (extended.unwrap(), taken.unwrap());
        match (extended.len(), taken.len()) {
            (2, 0) => slow.complete(extended, SystemClock.now()).await.unwrap(),
            (0, 1) => {
                let claims = taken
                    .into_iter()
                    .flat_map(|lane| lane.jobs)
                    .map(|job| job.claim);
                other
                    .complete(claims.collect(), SystemClock.now())
                    .await
                    .unwrap();
            }
            neither_or_both => panic!("{neither_or_both:?}"),
        }
    }
}

#[tokio::test]
async fn thousands_of_jobs_in_a_held_lane_hide_no_other_lane() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder.lane_cap(10)).await;
    let deep: Vec<NewJob> = (0..4_000)
        .map(|number| job(conversation_id(1, 1), &format!("{number}"), 0))
        .collect();
    queue.enqueue(&deep).await.unwrap();
    let held = queue
        .claim(&worker(), &ClaimLimits::lanes(5), at(10), LONG)
        .await
        .unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].jobs.len(), 10);
    let others: Vec<NewJob> = (2..5)
        .map(|fan| job(conversation_id(1, fan), &format!("o{fan}"), 5))
        .collect();
    queue.enqueue(&others).await.unwrap();
    let lanes = queue
        .claim(&worker(), &ClaimLimits::lanes(5), at(10), LONG)
        .await
        .unwrap();
    let found: BTreeSet<_> = lanes.into_iter().map(|lane| lane.ordering_key).collect();
    let expected: BTreeSet<_> = (2..5).map(|fan| conversation_id(1, fan).into()).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_job_of_a_newer_version_is_left_to_it_and_given_up_when_nobody_comes() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder).await;
    let jobs = [
        job(conversation_id(1, 1), "future", 0),
        job(conversation_id(1, 2), "known", 0),
    ];
    queue.enqueue(&jobs).await.unwrap();
    let mut admin = database.connect_as_admin().await;
    let change =
        "UPDATE fanvue_bot.jobs SET kind = '{\"kind\":\"dream\"}' WHERE idempotency_key = 'future'";
    run(&mut admin, change.to_owned()).await;

    let lanes = queue
        .claim(&worker(), &ClaimLimits::lanes(5), at(0), LONG)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1, "the known one");
    for minute in 1..=10 {
        let now = at(minute * 61);
        assert_eq!(
            queue
                .claim(&worker(), &ClaimLimits::lanes(5), now, LONG)
                .await
                .unwrap(),
            []
        );
    }
    let row = sqlx::query("SELECT attempt, cause FROM fanvue_bot.dead_letters")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(row.get::<i32, _>(0), 10);
    assert!(row.get::<String, _>(1).contains("jobs.kind"));
}

#[tokio::test]
async fn a_name_is_free_after_its_time_and_is_forgotten() {
    let Some(database) = fresh().await else {
        return;
    };
    let day = Duration::from_secs(86_400);
    let queue = process(&database, |builder| builder.idempotency_retention(day)).await;
    let again = job(conversation_id(1, 1), "again", 0);
    let end = async |now: Timestamp| {
        let lanes = queue
            .claim(&worker(), &ClaimLimits::lanes(1), now, LONG)
            .await
            .unwrap();
        let claims = lanes
            .into_iter()
            .flat_map(|lane| lane.jobs)
            .map(|job| job.claim);
        queue.complete(claims.collect(), now).await.unwrap();
    };
    queue.enqueue(std::slice::from_ref(&again)).await.unwrap();
    // Two days ago, so that its time is over by the server's clock too.
    end(SystemClock.now().minus(day * 2)).await;
    let answer = queue.enqueue(std::slice::from_ref(&again)).await.unwrap();
    assert!(matches!(answer[..], [Enqueued::New(_)]), "{answer:?}");
    end(SystemClock.now()).await;
    let answer = queue.enqueue(std::slice::from_ref(&again)).await.unwrap();
    assert_eq!(answer, [Enqueued::Duplicate]);

    let later = SystemClock.now() + day * 2;
    assert_eq!(
        queue
            .claim(&worker(), &ClaimLimits::lanes(1), later, LONG)
            .await
            .unwrap(),
        []
    );
    let mut admin = database.connect_as_admin().await;
    let kept = sqlx::query("SELECT 1 FROM fanvue_bot.job_keys")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    assert_eq!(kept.len(), 0);
}

#[tokio::test]
async fn whoever_holds_an_old_snapshot_is_warned_of_once() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder.old_snapshot(Duration::ZERO)).await;
    let (log, _guard) = log();
    let mut holder = database.connect().await;
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM fanvue_bot.jobs";
    run(&mut holder, hold.to_owned()).await;
    for seconds in [0, 10, 20] {
        assert_eq!(
            queue
                .claim(&worker(), &ClaimLimits::lanes(1), at(seconds), LONG)
                .await
                .unwrap(),
            []
        );
    }
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("holds an old snapshot"), "{text}");
}

#[tokio::test]
async fn a_job_that_another_process_adds_late_is_found_all_the_same() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder).await;
    let other = process(&database, |builder| builder).await;
    // From here on the first process looks for what was due a moment ago or is due later.
    assert_eq!(
        queue
            .claim(&worker(), &ClaimLimits::lanes(1), at(100), LONG)
            .await
            .unwrap(),
        []
    );
    other
        .enqueue(&[job(conversation_id(1, 1), "k", 0)])
        .await
        .unwrap();
    let lanes = queue
        .claim(&worker(), &ClaimLimits::lanes(1), at(100), LONG)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);
}

#[tokio::test]
async fn a_creator_whose_jobs_all_come_later_keeps_nobody_waiting() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder).await;
    let later: Vec<NewJob> = (0..2_000)
        .map(|number| job(conversation_id(1 + number, 1), "later", 1_000))
        .collect();
    queue.enqueue(&later).await.unwrap();
    let now: Vec<NewJob> = (0..600)
        .map(|number| job(conversation_id(1 + 3 * number, 2), "now", 0))
        .collect();
    // Few, then more than what counts as few.
    for some in [&now[..100], &now[100..]] {
        queue.enqueue(some).await.unwrap();
        let mut found = 0;
        loop {
            let lanes = queue
                .claim(&worker(), &ClaimLimits::lanes(64), at(10), LONG)
                .await
                .unwrap();
            if lanes.is_empty() {
                break;
            }
            found += lanes.len();
        }
        assert_eq!(found, some.len());
    }
}

#[tokio::test]
async fn a_claim_does_not_wait_for_the_disk_and_what_follows_it_does() {
    let Some(database) = fresh().await else {
        return;
    };
    let queue = process(&database, |builder| builder).await;
    queue
        .enqueue(&[job(conversation_id(1, 1), "k", 0)])
        .await
        .unwrap();
    let mut connection = database.connect().await;
    let mut waits = Vec::new();
    run(&mut connection, "BEGIN".to_owned()).await;
    run(
        &mut connection,
        "SELECT FROM fanvue_bot.claim('worker', 1, 1, 10, 10, NULL, NULL, NULL, 1, '{}')"
            .to_owned(),
    )
    .await;
    for end in ["COMMIT", "SELECT"] {
        let setting: String = sqlx::query_scalar("SHOW synchronous_commit")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        waits.push(setting);
        run(&mut connection, end.to_owned()).await;
    }
    assert_eq!(waits, ["off", "on"]);
}
