//! What one transaction promises beyond two steps.

use fanvue_bot_core::backend::{Atomicity, Backend};
use fanvue_bot_core::queue::Enqueued;

use super::given::{adding, at, chat, job, message, message_id};
use super::waiting;
use crate::conformance::cut::{CUTS, cut};

pub async fn it_says_that_it_is_one_transaction(backend: Backend) {
    assert_eq!(backend.atomicity(), Atomicity::OneTransaction);
}

pub async fn a_dropped_call_leaves_both_or_neither(backend: Backend) {
    let (conversation, _) = chat(backend.store(), 1, 1).await;
    let id = conversation.id;
    for (number, polls) in (1..).zip(CUTS) {
        let before = backend.store().conversation(id).await.unwrap().unwrap();
        let change = adding(&conversation, vec![message(id, number)]).into();
        let jobs = [job(1, 1, number, at(0)), job(1, 2, number, at(0))];
        let call = backend.commit_and_enqueue(&change, Some(before.revision), &jobs);
        let done = cut(polls, call).await;

        // The queue is asked second, so a call that still lands has landed for both.
        let mut stored = backend
            .store()
            .message(id, message_id(number))
            .await
            .unwrap();
        let again = backend.queue().enqueue(&jobs).await.unwrap();
        if again.contains(&Enqueued::Duplicate) {
            stored = backend
                .store()
                .message(id, message_id(number))
                .await
                .unwrap();
        }
        if matches!(done, Some(Ok(_))) {
            assert!(stored.is_some(), "done, but not seen");
        }
        let expected = if stored.is_some() { 2 } else { 0 };
        let duplicates = again
            .iter()
            .filter(|answer| **answer == Enqueued::Duplicate)
            .count();
        assert_eq!(duplicates, expected, "jobs with the change");
        assert_eq!(waiting(&backend).await, 2);
    }
}

pub async fn whoever_sees_the_change_finds_the_job(backend: Backend) {
    let (conversation, mut revision) = chat(backend.store(), 1, 1).await;
    let id = conversation.id;
    let watcher = {
        let backend = backend.clone();
        tokio::spawn(async move {
            for number in 1..=20 {
                while backend
                    .store()
                    .message(id, message_id(number))
                    .await
                    .unwrap()
                    .is_none()
                {
                    tokio::task::yield_now().await;
                }
                let again = backend.queue().enqueue(&[job(1, 1, number, at(0))]).await;
                assert_eq!(again.unwrap(), [Enqueued::Duplicate]);
            }
        })
    };
    for number in 1..=20 {
        let change = adding(&conversation, vec![message(id, number)]).into();
        let jobs = [job(1, 1, number, at(0))];
        revision = backend
            .commit_and_enqueue(&change, Some(revision), &jobs)
            .await
            .unwrap();
    }
    watcher.await.unwrap();
}
