//! What two steps promise: the change first, and an enqueue that can be repeated.

use fanvue_bot_core::backend::{Atomicity, Backend};

use super::given::{adding, at, chat, job, message, message_id};
use super::waiting;
use crate::conformance::cut::{CUTS, cut};

pub async fn it_says_that_it_is_two_steps(backend: Backend) {
    assert_eq!(backend.atomicity(), Atomicity::TwoSteps);
}

pub async fn a_dropped_call_leaves_no_job_without_its_change(backend: Backend) {
    let (conversation, _) = chat(backend.store(), 1, 1).await;
    let id = conversation.id;
    for (number, polls) in (1..).zip(CUTS) {
        let before = backend.store().conversation(id).await.unwrap().unwrap();
        let change = adding(&conversation, vec![message(id, number)]).into();
        let jobs = [job(1, 1, number, at(0))];
        let call = backend.commit_and_enqueue(&change, Some(before.revision), &jobs);
        drop(cut(polls, call).await);

        let jobs_there = waiting(&backend).await > 0;
        let stored = backend
            .store()
            .message(id, message_id(number))
            .await
            .unwrap();
        assert!(stored.is_some() || !jobs_there, "a job without its change");
        // The caller repeats the second step before it acknowledges anything.
        backend.queue().enqueue(&jobs).await.unwrap();
        let left = waiting(&backend).await;
        assert_eq!(left + usize::from(jobs_there), 1, "the job, once");
    }
}
