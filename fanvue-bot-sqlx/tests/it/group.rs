//! Group commit: many callers at once, one transaction, each with its own answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::CommitAndEnqueue as _;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::queue::{ClaimLimits, Enqueued, JobQueue as _, WorkerId};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{ContentUpdate, Store as _, StoreError};
use fanvue_bot_sqlx::SqliteBackend;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::given::{at, change, conversation_id, db, intake, job, message, message_id};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_build_on_the_same_revision_one_wins() {
    let db = db().await;
    let id = conversation_id(1, 1);
    let mut revision = db.backend.commit(&change(id).into(), None).await.unwrap();
    for round in 0..10_u128 {
        let tasks = (0..64_u128).map(|n| {
            let backend = db.backend.clone();
            tokio::spawn(async move {
                let number = round * 64 + n + 1;
                let jobs = [job(id, &format!("{number}"), 0)];
                backend
                    .commit_and_enqueue(&intake(id, number), Some(revision), &jobs)
                    .await
            })
        });
        let mut won = Vec::new();
        for result in join_all(tasks).await {
            match result.unwrap() {
                Ok(next) => won.push(next),
                Err(error) => assert!(error.to_string().contains("changed by someone else")),
            }
        }
        assert_eq!(won.len(), 1);
        revision = won[0];
    }
    assert_eq!(revision, Revision::new(11));
    assert_eq!(db.count("SELECT count(*) FROM messages").await, 10);
    assert_eq!(db.count("SELECT count(*) FROM jobs").await, 10);
}

#[tokio::test]
async fn operations_that_wait_together_share_a_transaction_and_fail_alone() {
    let db = db().await;
    let taken = conversation_id(1, 0);
    db.backend
        .commit(&change(taken).into(), None)
        .await
        .unwrap();
    let before = frames(&db.path);
    // On one thread nothing is written before all have handed in their operation.
    let commits = (0..64_u128).map(|n| {
        let backend = &db.backend;
        async move {
            let id = conversation_id(1, n);
            backend
                .commit_and_enqueue(&intake(id, n + 1), None, &[job(id, &format!("{n}"), 0)])
                .await
        }
    });
    let results = join_all(commits).await;
    assert!(results[0].is_err());
    assert!(results[1..].iter().all(Result::is_ok));
    assert_eq!(db.count("SELECT count(*) FROM messages").await, 63);
    // One transaction writes each page once, 64 write the busiest pages 64 times.
    let written = frames(&db.path) - before;
    assert!(written < 100, "{written} pages");
}

#[tokio::test]
async fn changes_of_one_conversation_in_one_group_build_on_each_other() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let named = |handle: Option<&str>, nickname: Option<&str>| {
        let mut fan = FanProfile::new(id.fan);
        fan.handle = handle.map(Into::into);
        fan.nickname = nickname.map(Into::into);
        Some(fan)
    };
    let words = |text: &str| ContentUpdate {
        message: message_id(1),
        content: Content::text(text),
        tokens: None,
    };
    let mut changes = vec![change(id), change(id), change(id), change(id)];
    changes[0].fan = named(Some("a"), Some("b"));
    changes[0].messages = vec![message(id, 1, 0)];
    changes[1].fan = named(None, Some("c"));
    changes[1].contents = vec![words("before")];
    changes[2].deletions = vec![(message_id(1), at(9))];
    changes[3].fan = named(Some("d"), None);
    changes[3].contents = vec![words("after")];
    changes[3].deletions = vec![(message_id(1), at(7))];
    let before = db.backend.commit(&change(id).into(), None).await.unwrap();
    let waiting = frames(&db.path);
    // A revision is the number of the commit, so the next ones are known before they are made.
    let mut revision = before;
    let commits = changes.into_iter().map(|change| {
        let expected = revision;
        revision = revision.next();
        let backend = &db.backend;
        async move { backend.commit(&change.into(), Some(expected)).await }
    });
    for result in join_all(commits.collect::<Vec<_>>()).await {
        result.unwrap();
    }
    assert!(frames(&db.path) - waiting < 20, "more than one transaction");

    let mut expected = message(id, 1, 0);
    expected.delete(at(7));
    let read = db.backend.message(id, message_id(1)).await.unwrap();
    assert_eq!(read, Some(expected));
    let fan = db.backend.fan(id).await.unwrap();
    assert_eq!(fan, named(Some("d"), Some("c")));
}

/// How many pages the write-ahead log holds.
fn frames(path: &std::path::Path) -> u64 {
    let wal = path.with_extension("db-wal");
    (std::fs::metadata(wal).unwrap().len() - 32) / (4_096 + 24)
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_keys_at_once_are_one_job() {
    let db = db().await;
    let tasks = (0..64_u128).map(|n| {
        let backend = db.backend.clone();
        tokio::spawn(async move {
            let jobs = [
                job(conversation_id(1, n), "same", 0),
                job(conversation_id(2, n), "same", 0),
            ];
            backend.enqueue(&jobs).await.unwrap()
        })
    });
    let mut new = 0;
    for answers in join_all(tasks).await {
        new += answers
            .unwrap()
            .iter()
            .filter(|answer| matches!(answer, Enqueued::New(_)))
            .count();
    }
    assert_eq!(new, 2, "one for each creator");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_at_once_drain_each_lane_in_order_and_no_job_twice() {
    let db = db().await;
    let lanes = 40_u128;
    let each = 25_i64;
    for n in 0..each {
        let jobs: Vec<_> = (0..lanes)
            .map(|lane| job(conversation_id(lane % 4, lane), &format!("{lane}/{n}"), n))
            .collect();
        db.backend.enqueue(&jobs).await.unwrap();
    }
    let other = SqliteBackend::open(&db.path).await.unwrap();
    let done = Arc::new(Mutex::new(Vec::new()));
    let tasks = (0..8).map(|n| {
        let backend = if n % 2 == 0 {
            db.backend.clone()
        } else {
            other.clone()
        };
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let worker = WorkerId::new(format!("worker {n}"));
            loop {
                // Time goes on, so lanes come due bit by bit.
                let now = at(i64::try_from(done.lock().await.len()).unwrap() / 40 + 1);
                let lanes = backend
                    .claim(
                        &worker,
                        &ClaimLimits::lanes(3),
                        now,
                        Duration::from_secs(3_600),
                    )
                    .await
                    .unwrap();
                if lanes.is_empty() && done.lock().await.len() == 1_000 {
                    return;
                }
                for lane in lanes {
                    let mut claims = Vec::new();
                    for job in lane.jobs {
                        done.lock()
                            .await
                            .push((lane.ordering_key.clone(), job.due, job.claim.job));
                        claims.push(job.claim);
                    }
                    backend.complete(claims, now).await.unwrap();
                }
            }
        })
    });
    let drained = tokio::time::timeout(Duration::from_secs(60), join_all(tasks)).await;
    assert!(drained.unwrap().into_iter().all(|task| task.is_ok()));
    let done = done.lock().await;
    let jobs: BTreeSet<_> = done.iter().map(|(_, _, job)| *job).collect();
    assert_eq!(jobs.len(), 1_000);
    for (lane, _, _) in done.iter() {
        let dues: Vec<_> = done
            .iter()
            .filter(|(of, _, _)| of == lane)
            .map(|(_, due, _)| *due)
            .collect();
        assert!(dues.is_sorted());
    }
}

#[tokio::test]
async fn an_operation_whose_caller_has_gone_is_done_whole_or_not_at_all() {
    let db = db().await;
    for n in 0..200_u128 {
        let id = conversation_id(1, n);
        let change = intake(id, n + 1);
        let jobs = [job(id, &format!("{n}"), 0)];
        let mut call = Box::pin(db.backend.commit_and_enqueue(&change, None, &jobs));
        for _ in 0..n % 5 {
            if call.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Whatever was handed in before this has been done when this is.
    let id = conversation_id(2, 1);
    db.backend.commit(&change(id).into(), None).await.unwrap();
    let half = db
        .count(
            "SELECT count(*) FROM conversations AS c WHERE creator_id <> (SELECT max(creator_id) FROM conversations) \
             AND ((SELECT count(*) FROM messages AS m WHERE m.fan_id = c.fan_id) <> 1 \
             OR (SELECT count(*) FROM jobs AS j WHERE j.lane = c.fan_id) <> 1)",
        )
        .await;
    assert_eq!(half, 0);
    let whole = db.count("SELECT count(*) FROM conversations").await;
    assert!(whole > 1);
    assert_eq!(db.count("SELECT count(*) FROM messages").await, whole - 1);
    assert_eq!(db.count("SELECT count(*) FROM jobs").await, whole - 1);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_fails_alone() {
    let db = db().await;
    // A constraint from outside stands for whatever no check foresaw.
    sqlx::query(
        "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN new.author = 'human' \
         BEGIN SELECT raise(ABORT, 'refused'); END",
    )
    .execute(&mut db.raw().await)
    .await
    .unwrap();
    let commits = (1..=9_u128).map(|n| {
        let backend = &db.backend;
        async move {
            let id = conversation_id(1, n);
            let mut new = change(id);
            let mut row = message(id, n, 0);
            if n == 5 {
                row.author = fanvue_bot_core::message::Author::Human;
            }
            new.messages.push(row);
            backend.commit(&new.into(), None).await
        }
    });
    let results = join_all(commits).await;
    for (n, result) in (1..=9).zip(&results) {
        if n == 5 {
            assert!(matches!(result, Err(StoreError::Unavailable { .. })));
        } else {
            assert!(result.is_ok(), "{n}: {result:?}");
        }
    }
    assert_eq!(db.count("SELECT count(*) FROM conversations").await, 8);
}
