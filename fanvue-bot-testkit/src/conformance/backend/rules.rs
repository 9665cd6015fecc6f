//! A change and the jobs that follow from it.

use fanvue_bot_core::backend::{Backend, BackendError};
use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::queue::NewJob;
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{ConversationChange, StoreError};
use tokio::task::JoinSet;

use super::given::{
    adding, at, chat, conversation, creator, creator_id, job, message, message_id, onboard,
};
use super::{names, waiting};

pub async fn a_change_and_its_jobs_are_both_there(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let change = adding(&conversation, vec![message(conversation.id, 1)]).into();
    let jobs = [job(1, 1, 1, at(0)), job(1, 1, 2, at(1))];
    let next = backend
        .commit_and_enqueue(&change, Some(revision), &jobs)
        .await
        .unwrap();
    assert!(next > revision);
    let stored = backend.store().conversation(conversation.id).await.unwrap();
    assert_eq!(stored.unwrap().revision, next);
    let found = backend
        .store()
        .message(conversation.id, message_id(1))
        .await;
    assert!(found.unwrap().is_some());
    assert_eq!(waiting(&backend).await, 2);
}

pub async fn a_change_without_jobs_is_made(backend: Backend) {
    let change = creator(1).into();
    let revision = backend
        .commit_and_enqueue(&change, None, &[])
        .await
        .unwrap();
    let stored = backend.store().creator(creator_id(1)).await.unwrap();
    assert_eq!(stored.unwrap().revision, revision);
    assert_eq!(waiting(&backend).await, 0);
}

pub async fn a_first_change_may_bring_jobs(backend: Backend) {
    onboard(backend.store(), 1).await;
    let change = ConversationChange::new(conversation(1, 1)).into();
    backend
        .commit_and_enqueue(&change, None, &[job(1, 1, 1, at(0))])
        .await
        .unwrap();
    assert_eq!(waiting(&backend).await, 1);
}

pub async fn jobs_may_be_for_any_conversation(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let change = ConversationChange::new(conversation).into();
    let jobs = [
        job(1, 1, 1, at(0)),
        job(1, 2, 1, at(0)),
        job(2, 1, 1, at(0)),
    ];
    backend
        .commit_and_enqueue(&change, Some(revision), &jobs)
        .await
        .unwrap();
    assert_eq!(waiting(&backend).await, 3);
}

pub async fn a_stale_change_enqueues_nothing(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let change = adding(&conversation, vec![message(conversation.id, 1)]).into();
    for expected in [None, Some(revision.next()), Some(Revision::new(1_000))] {
        let refused = backend
            .commit_and_enqueue(&change, expected, &[job(1, 1, 1, at(0))])
            .await;
        assert!(
            matches!(refused, Err(BackendError::Store(StoreError::Conflict))),
            "{refused:?}"
        );
    }
    assert_eq!(waiting(&backend).await, 0);
    let stored = backend.store().conversation(conversation.id).await.unwrap();
    assert_eq!(stored.unwrap().revision, revision);
    let found = backend
        .store()
        .message(conversation.id, message_id(1))
        .await;
    assert_eq!(found.unwrap(), None);
}

pub async fn a_bad_change_enqueues_nothing(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let mut change = adding(&conversation, vec![message(conversation.id, 1)]);
    change.decisions = vec![(message_id(9), Decision::new(Outcome::OptedOut, at(0)))];
    let refused = backend
        .commit_and_enqueue(&change.into(), Some(revision), &[job(1, 1, 1, at(0))])
        .await;
    assert!(
        matches!(
            refused,
            Err(BackendError::Store(StoreError::Rejected { .. }))
        ),
        "{refused:?}"
    );
    assert_eq!(waiting(&backend).await, 0);
    let found = backend
        .store()
        .message(conversation.id, message_id(1))
        .await;
    assert_eq!(found.unwrap(), None);
}

pub async fn a_refused_change_leaves_the_names_of_its_jobs_free(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let change = ConversationChange::new(conversation).into();
    let jobs = [job(1, 1, 1, at(0))];
    let refused = backend.commit_and_enqueue(&change, None, &jobs).await;
    assert!(refused.is_err());
    backend
        .commit_and_enqueue(&change, Some(revision), &jobs)
        .await
        .unwrap();
    assert_eq!(waiting(&backend).await, 1);
}

pub async fn a_job_that_is_a_duplicate_does_not_stop_the_change(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let taken = job(1, 1, 1, at(0));
    backend
        .queue()
        .enqueue(std::slice::from_ref(&taken))
        .await
        .unwrap();
    let change = adding(&conversation, vec![message(conversation.id, 1)]).into();
    let jobs = [taken, job(1, 1, 2, at(0)), job(1, 1, 2, at(0))];
    backend
        .commit_and_enqueue(&change, Some(revision), &jobs)
        .await
        .unwrap();
    assert_eq!(waiting(&backend).await, 2);
    let found = backend
        .store()
        .message(conversation.id, message_id(1))
        .await;
    assert!(found.unwrap().is_some());
}

pub async fn enqueueing_the_same_jobs_again_adds_none(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let change = ConversationChange::new(conversation).into();
    let jobs = [job(1, 1, 1, at(0)), job(1, 1, 2, at(0))];
    backend
        .commit_and_enqueue(&change, Some(revision), &jobs)
        .await
        .unwrap();
    // As a caller does who does not know how the first call ended.
    backend.queue().enqueue(&jobs).await.unwrap();
    assert_eq!(waiting(&backend).await, 2);
}

pub async fn a_thousand_jobs_follow_from_one_change(backend: Backend) {
    let jobs: Vec<NewJob> = (0..1_000).map(|number| job(1, number, 1, at(0))).collect();
    backend
        .commit_and_enqueue(&creator(1).into(), None, &jobs)
        .await
        .unwrap();
    assert_eq!(waiting(&backend).await, 1_000);
}

pub async fn of_concurrent_changes_the_jobs_of_exactly_one_are_enqueued(backend: Backend) {
    let (conversation, revision) = chat(backend.store(), 1, 1).await;
    let mut rivals = JoinSet::new();
    for number in 0..16 {
        let backend = backend.clone();
        let change = adding(&conversation, vec![message(conversation.id, number)]).into();
        rivals.spawn(async move {
            let jobs = [job(1, 1, number, at(0))];
            let result = backend
                .commit_and_enqueue(&change, Some(revision), &jobs)
                .await;
            (number, result.is_ok())
        });
    }
    let winners: Vec<u32> = rivals
        .join_all()
        .await
        .into_iter()
        .filter_map(|(number, won)| won.then_some(number))
        .collect();
    assert_eq!(winners.len(), 1);
    let expected = job(1, 1, winners[0], at(0)).idempotency_key;
    assert_eq!(waiting(&backend).await, 1);
    assert!(names(&backend, [expected]).await, "the winner's");
}

pub async fn a_wait_ends_when_a_change_brings_a_job(backend: Backend) {
    use std::time::Duration;
    assert_eq!(waiting(&backend).await, 0);
    let waiter = {
        let queue = std::sync::Arc::clone(backend.queue());
        tokio::spawn(
            async move { tokio::time::timeout(Duration::from_secs(10), queue.ready()).await },
        )
    };
    tokio::task::yield_now().await;
    backend
        .commit_and_enqueue(&creator(1).into(), None, &[job(1, 1, 1, at(0))])
        .await
        .unwrap();
    waiter.await.unwrap().expect("it waited on").unwrap();
}
