//! Rows that do not read back: an error that names table and field, never a panic nor the content.

use std::time::Duration;

use fanvue_bot_core::backend::CommitAndEnqueue as _;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _, WorkerId};
use fanvue_bot_core::store::{Store as _, StoreError};
use uuid::Uuid;

use crate::given::{at, change, conversation_id, db, job, message, message_id};

async fn check(sql: &'static str, expected: &str) {
    let db = db().await;
    let id = conversation_id(1, 2);
    let mut new = change(id);
    let mut row = message(id, 1, 0);
    row.decision = Some(Decision::new(Outcome::OptedOut, at(0)));
    new.messages.push(row);
    db.backend.commit(&new.into(), None).await.unwrap();
    let creator = Creator::new(id.creator, Persona::named("Mia"));
    db.backend.commit(&creator.into(), None).await.unwrap();
    sqlx::query(sql).execute(&mut db.raw().await).await.unwrap();

    let errors = [
        db.backend.message(id, message_id(1)).await.err(),
        db.backend.messages(id, &PageRequest::first(9)).await.err(),
        db.backend.conversation(id).await.err(),
        db.backend.creator(id.creator).await.err(),
    ];
    let reasons: Vec<String> = errors
        .into_iter()
        .flatten()
        .map(|error| match error {
            StoreError::Corrupt { reason } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(!reasons.is_empty(), "{sql}");
    for reason in reasons {
        assert!(reason.starts_with(expected), "{reason}");
        assert!(!reason.contains("canary"), "{reason}");
    }
}

#[tokio::test]
async fn the_field_is_named_and_what_it_holds_is_not() {
    for (sql, field) in [
        ("UPDATE messages SET author = 'canary'", "messages.author"),
        ("UPDATE messages SET media = 'canary'", "messages.media"),
        (
            "UPDATE messages SET decision = '{\"canary\":1}'",
            "messages.decision",
        ),
        ("UPDATE messages SET outcome = 'canary'", "messages.outcome"),
        ("UPDATE messages SET decided_at = NULL", "messages.decision"),
        ("UPDATE messages SET has_media = 7", "messages.has_media"),
        ("UPDATE messages SET turn = -1", "messages.turn"),
        (
            "UPDATE messages SET tokens = -1, tokenizer = 0",
            "messages.tokens",
        ),
        ("UPDATE messages SET tokens = 1", "messages.tokens"),
        (
            "UPDATE messages SET text = CAST(x'ff' AS TEXT)",
            "messages.text",
        ),
        (
            "UPDATE conversations SET state = 'canary'",
            "conversations.state",
        ),
        (
            "UPDATE conversations SET state = CAST(x'ffff' AS TEXT)",
            "conversations.state",
        ),
        (
            "UPDATE conversations SET revision = -1",
            "conversations.revision",
        ),
        ("UPDATE creators SET profile = '{}'", "creators.profile"),
        (
            "UPDATE creators SET account_id = x'00000000000000000000000000000001'",
            "creators.profile",
        ),
    ] {
        check(sql, field).await;
    }
}

#[tokio::test]
async fn the_state_of_another_conversation_is_not_handed_out() {
    let db = db().await;
    for fan in [2, 3] {
        let id = conversation_id(1, fan);
        db.backend.commit(&change(id).into(), None).await.unwrap();
    }
    sqlx::query("UPDATE conversations SET state = (SELECT max(state) FROM conversations)")
        .execute(&mut db.raw().await)
        .await
        .unwrap();
    let read = db.backend.conversation(conversation_id(1, 2)).await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn an_unreadable_job_is_set_aside_and_holds_up_nobody() {
    let db = db().await;
    let lease = Duration::from_secs(30);
    let worker = WorkerId::new("worker");
    let jobs = [
        job(conversation_id(1, 1), "a", 0),
        job(conversation_id(1, 2), "b", 0),
    ];
    db.backend.enqueue(&jobs).await.unwrap();
    let lane = Uuid::from_u128(1).into_bytes().to_vec();
    sqlx::query("UPDATE jobs SET kind = '{\"kind\":\"dance\"}' WHERE lane = ?1")
        .bind(lane)
        .execute(&mut db.raw().await)
        .await
        .unwrap();
    let lanes = db
        .backend
        .claim(&worker, &ClaimLimits::lanes(9), at(1), lease)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);
    assert_eq!(lanes[0].ordering_key, conversation_id(1, 2).into());

    for attempt in 2..=10 {
        assert_eq!(
            db.count("SELECT count(*) FROM dead_letters").await,
            0,
            "{attempt}"
        );
        let now = at(attempt * 100);
        db.backend
            .claim(&worker, &ClaimLimits::lanes(9), now, lease)
            .await
            .unwrap();
    }
    assert_eq!(db.count("SELECT count(*) FROM dead_letters").await, 1);
    let id = conversation_id(1, 1);
    db.backend
        .commit_and_enqueue(&change(id).into(), None, &[job(id, "c", 0)])
        .await
        .unwrap();
    let lanes = db
        .backend
        .claim(&worker, &ClaimLimits::lanes(9), at(2_000), lease)
        .await
        .unwrap();
    assert!(lanes.iter().any(|lane| lane.ordering_key == id.into()));
}
