//! What the store keeps.

use std::sync::Arc;

use fanvue_bot_core::backend::{BackendError, CommitAndEnqueue as _};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Decision, Outcome, WaitCause};
use fanvue_bot_core::id::{AccountId, CreatorId, MediaId, TurnId};
use fanvue_bot_core::message::{Author, Content, MessageType, TokenCount};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _, WorkerId};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{Change, ContentUpdate, Store as _, StoreError};
use uuid::Uuid;

use crate::given::{
    at, change, conversation, conversation_id, db, decided, intake, job, message, message_id,
};

#[tokio::test]
async fn a_message_reads_back_with_every_field() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let mut sent = message(id, 5, 3);
    sent.author = Author::Bot;
    sent.kind = MessageType::Other("NEW_\u{1F31F}".into());
    sent.content = Content {
        text: Some(Arc::from("nul \0 inside, \"quotes\", \u{1F600}")),
        media: vec![MediaId::from_uuid(Uuid::from_u128(7))],
        has_media: true,
        price: Some(Cents::new(-5)),
        fetched: true,
    };
    sent.tokens = Some(TokenCount {
        tokenizer: u32::MAX,
        tokens: 12,
    });
    sent.turn = Some(TurnId::new(4));
    sent.decision = Some(Decision::new(
        Outcome::Failed {
            cause: "why".into(),
        },
        at(9),
    ));
    let mut new = change(id);
    new.messages.push(sent.clone());
    db.backend.commit(&new.into(), None).await.unwrap();

    let read = db.backend.message(id, sent.id).await.unwrap();
    assert_eq!(read, Some(sent));
    let state = db.backend.conversation(id).await.unwrap().unwrap();
    assert_eq!(state.value, conversation(id));
    assert_eq!(state.revision, Revision::FIRST);
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let db = db().await;
    let id = conversation_id(1, 2);
    db.backend
        .commit_and_enqueue(&intake(id, 1), None, &[job(id, "a", 0)])
        .await
        .unwrap();
    db.backend.close().await;
    assert!(matches!(
        db.backend.commit(&intake(id, 2), None).await,
        Err(StoreError::Unavailable { .. })
    ));

    let again = fanvue_bot_sqlx::SqliteBackend::open(&db.path)
        .await
        .unwrap();
    assert!(again.message(id, message_id(1)).await.unwrap().is_some());
    let worker = WorkerId::new("worker");
    let lanes = again
        .claim(
            &worker,
            &ClaimLimits::lanes(9),
            at(1),
            std::time::Duration::from_secs(30),
        )
        .await
        .unwrap();
    assert_eq!(lanes.len(), 1);
}

#[tokio::test]
async fn a_refused_change_leaves_neither_rows_nor_jobs() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let first = db.backend.commit(&intake(id, 1), None).await.unwrap();

    let mut again = change(id);
    again.messages.push(message(id, 2, 0));
    again.messages.push(message(id, 1, 0));
    let mut foreign = change(id);
    foreign.messages.push(message(conversation_id(1, 3), 9, 0));
    let late = Decision::new(Outcome::OptedOut, at(0));
    for (change, expected) in [
        (intake(id, 3), None),
        (intake(id, 3), Some(Revision::new(99))),
        (intake(id, 3), Some(Revision::new(u64::MAX))),
        (again.into(), Some(first)),
        (foreign.into(), Some(first)),
        (decided(id, 77, late), Some(first)),
    ] {
        let refused = db
            .backend
            .commit_and_enqueue(&change, expected, &[job(id, "a", 0)])
            .await;
        assert!(
            matches!(
                refused,
                Err(BackendError::Store(
                    StoreError::Conflict | StoreError::Rejected { .. }
                ))
            ),
            "{refused:?}"
        );
    }
    assert_eq!(db.count("SELECT count(*) FROM messages").await, 1);
    assert_eq!(db.count("SELECT count(*) FROM jobs").await, 0);
    assert_eq!(db.count("SELECT count(*) FROM job_keys").await, 0);
    let state = db.backend.conversation(id).await.unwrap().unwrap();
    assert_eq!(state.revision, first);
}

#[tokio::test]
async fn contents_and_decisions_of_stored_messages_change() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let mut first = change(id);
    first.messages = vec![message(id, 1, 0), message(id, 2, 0)];
    let revision = db.backend.commit(&first.into(), None).await.unwrap();

    let waiting = Decision::new(
        Outcome::Waiting {
            until: at(8),
            cause: WaitCause::Settling,
        },
        at(0),
    );
    let replied = Decision::new(
        Outcome::Replied {
            turn: TurnId::new(1),
        },
        at(5),
    );
    let mut second = change(id);
    second.messages.push(message(id, 3, 1));
    second.contents.push(ContentUpdate {
        message: message_id(1),
        content: Content::text("the words"),
        tokens: None,
    });
    second.decisions = vec![
        (message_id(1), waiting.clone()),
        (message_id(3), waiting.clone()),
        (message_id(1), replied.clone()),
    ];
    db.backend
        .commit(&second.into(), Some(revision))
        .await
        .unwrap();

    let read = |number| db.backend.message(id, message_id(number));
    let first = read(1).await.unwrap().unwrap();
    assert_eq!(first.content, Content::text("the words"));
    assert_eq!(first.decision, Some(replied));
    assert_eq!(read(2).await.unwrap().unwrap().decision, None);
    assert_eq!(read(3).await.unwrap().unwrap().decision, Some(waiting));
}

#[tokio::test]
async fn pages_run_from_the_newest_to_the_oldest() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let mut many = change(id);
    // Three messages at a time were sent in the same second.
    many.messages = (0_i64..100)
        .map(|n| message(id, u128::try_from(n).unwrap() + 1, n / 3))
        .collect();
    db.backend.commit(&many.into(), None).await.unwrap();

    let mut request = PageRequest::first(7);
    let mut seen = Vec::new();
    loop {
        let page = db.backend.messages(id, &request).await.unwrap();
        seen.extend(
            page.items
                .iter()
                .map(|message| (message.sent_at, message.id)),
        );
        match page.next {
            Some(next) => request = PageRequest::after(7, next),
            None => break,
        }
    }
    let mut expected = seen.clone();
    expected.sort();
    expected.reverse();
    assert_eq!(seen.len(), 100);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_account_belongs_to_one_creator_and_can_pass_on() {
    let db = db().await;
    let account = AccountId::from_uuid(Uuid::from_u128(50));
    let creator = |number, account| {
        let creator = Creator::new(
            CreatorId::from_uuid(Uuid::from_u128(number)),
            Persona::named("Mia"),
        );
        match account {
            Some(account) => Change::from(creator.account(account)),
            None => Change::from(creator),
        }
    };
    let first = db
        .backend
        .commit(&creator(1, Some(account)), None)
        .await
        .unwrap();
    assert!(matches!(
        db.backend.commit(&creator(2, Some(account)), None).await,
        Err(StoreError::Conflict)
    ));
    db.backend
        .commit(&creator(1, None), Some(first))
        .await
        .unwrap();
    db.backend
        .commit(&creator(2, Some(account)), None)
        .await
        .unwrap();
    let owner = db
        .backend
        .creator_by_account(account)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(owner.value.id.as_uuid(), Uuid::from_u128(2));
}

#[tokio::test]
async fn debug_of_the_back_end_and_of_its_errors_shows_no_words() {
    let db = db().await;
    let id = conversation_id(1, 2);
    let mut new = change(id);
    let mut sent = message(id, 5, 3);
    sent.content = Content::text("canary");
    new.messages.push(sent);
    let change: Change = new.into();
    db.backend.commit(&change, None).await.unwrap();
    let conflict = db.backend.commit(&change, None).await.unwrap_err();
    let shown = format!("{:?}{:#?}{conflict:?}{conflict}", db.backend, db.backend);
    assert!(!shown.contains("canary"), "{shown}");
}
