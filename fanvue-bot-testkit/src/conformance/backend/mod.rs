//! What every [`CommitAndEnqueue`](fanvue_bot_core::backend::CommitAndEnqueue) must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod atomic;
pub mod rules;
pub mod stepwise;

use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::queue::{ClaimLimits, Enqueued, IdempotencyKey, NewJob};

use super::given;

/// How many jobs wait; ends them.
async fn waiting(backend: &Backend) -> usize {
    let (queue, now) = (backend.queue(), given::far());
    let mut count = 0;
    loop {
        let lanes = queue
            .claim(
                &given::worker(1),
                &ClaimLimits::lanes(100),
                now,
                Duration::from_secs(600),
            )
            .await
            .unwrap();
        if lanes.is_empty() {
            return count;
        }
        let claims: Vec<_> = lanes
            .into_iter()
            .flat_map(|lane| lane.jobs)
            .map(|job| job.claim)
            .collect();
        count += claims.len();
        queue.complete(claims, now).await.unwrap();
    }
}

/// Whether all these names of creator 1 are taken. Those that were not are after that.
async fn names(backend: &Backend, keys: impl IntoIterator<Item = IdempotencyKey>) -> bool {
    let jobs: Vec<NewJob> = keys
        .into_iter()
        .map(|key| NewJob::wake(given::conversation_id(1, 1), given::at(0), key))
        .collect();
    let answers = backend.queue().enqueue(&jobs).await.unwrap();
    answers.iter().all(|answer| *answer == Enqueued::Duplicate)
}

/// One `#[tokio::test]` for each case of what a store and a queue do together. The factory yields a
/// [`Backend`].
///
/// `commit_and_enqueue_conformance!(factory, one_transaction)` or
/// `commit_and_enqueue_conformance!(factory, two_steps)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! commit_and_enqueue_conformance {
    ($factory:expr, one_transaction) => {
        $crate::__backend_cases!(
            [$crate::__conformance_tests],
            [
                $crate::conformance::__core::backend::Backend,
                backend,
                $factory,
                ()
            ]
        );
        $crate::__backend_atomic_cases!(
            [$crate::__conformance_tests],
            [
                $crate::conformance::__core::backend::Backend,
                backend,
                $factory,
                ()
            ]
        );
    };
    ($factory:expr, two_steps) => {
        $crate::__backend_cases!(
            [$crate::__conformance_tests],
            [
                $crate::conformance::__core::backend::Backend,
                backend,
                $factory,
                ()
            ]
        );
        $crate::__backend_stepwise_cases!(
            [$crate::__conformance_tests],
            [
                $crate::conformance::__core::backend::Backend,
                backend,
                $factory,
                ()
            ]
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __backend_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            rules {
                a_change_and_its_jobs_are_both_there
                a_change_without_jobs_is_made
                a_first_change_may_bring_jobs
                jobs_may_be_for_any_conversation
                a_stale_change_enqueues_nothing
                a_bad_change_enqueues_nothing
                a_refused_change_leaves_the_names_of_its_jobs_free
                a_job_that_is_a_duplicate_does_not_stop_the_change
                enqueueing_the_same_jobs_again_adds_none
                a_thousand_jobs_follow_from_one_change
                of_concurrent_changes_the_jobs_of_exactly_one_are_enqueued
                a_wait_ends_when_a_change_brings_a_job
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __backend_atomic_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            atomic {
                it_says_that_it_is_one_transaction
                a_dropped_call_leaves_both_or_neither
                whoever_sees_the_change_finds_the_job
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __backend_stepwise_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            stepwise {
                it_says_that_it_is_two_steps
                a_dropped_call_leaves_no_job_without_its_change
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::conformance::names;
    use crate::conformance::tests::check;

    #[test]
    fn every_case_is_listed() {
        let mut listed = crate::__backend_cases!([names], []);
        listed.extend(crate::__backend_atomic_cases!([names], []));
        listed.extend(crate::__backend_stepwise_cases!([names], []));
        for (theme, cases) in listed {
            let source = match theme {
                "rules" => include_str!("rules.rs"),
                "atomic" => include_str!("atomic.rs"),
                "stepwise" => include_str!("stepwise.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}
