//! What every [`JobQueue`](fanvue_bot_core::queue::JobQueue) must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod cancel;
pub mod endings;
pub mod enqueueing;
pub mod fairness;
mod hands;
pub mod lanes;
pub mod leases;
pub mod races;
pub mod records;
pub mod signal;

use super::{Time, given};

/// One `#[tokio::test]` for each case of the queue's contract.
///
/// `job_queue_conformance!(factory)`, or `job_queue_conformance!(factory, lease_clock)` with a
/// [`LeaseClock`](crate::conformance::LeaseClock); see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! job_queue_conformance {
    ($factory:expr) => {
        $crate::job_queue_conformance!($factory, $crate::conformance::LeaseClock::Caller);
    };
    ($factory:expr, $lease_clock:expr) => {
        $crate::__queue_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::queue::JobQueue>,
            queue, $factory, ($lease_clock)
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __queue_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            enqueueing {
                an_empty_queue_yields_nothing
                enqueueing_nothing_answers_nothing
                a_job_is_claimed_as_it_was_enqueued
                answers_come_in_the_order_of_the_jobs
                every_new_job_gets_an_id_of_its_own
                a_name_that_is_taken_is_a_duplicate_and_adds_nothing
                of_two_equal_names_in_one_call_the_second_is_a_duplicate
                a_duplicate_does_not_change_the_first
                a_name_belongs_to_the_tenant_and_not_to_the_lane
                a_name_stays_taken_while_its_job_is_claimed
                a_name_stays_taken_after_its_job_was_completed
                a_name_stays_taken_after_its_job_was_given_up
                a_name_stays_taken_while_its_job_waits_for_another_try
                long_and_odd_names_are_told_apart
                jobs_at_the_ends_of_time_are_kept
                ten_thousand_jobs_fit_in_one_call
                concurrent_calls_with_one_name_add_it_once
            }
            lanes {
                a_claim_of_no_lanes_takes_nothing
                a_claim_takes_at_most_as_many_lanes_as_asked
                a_job_is_not_claimed_before_it_is_due
                all_due_jobs_of_a_lane_are_claimed_together_by_due_time
                jobs_due_at_the_same_time_come_in_the_order_of_enqueueing
                a_deep_lane_drains_in_order
                a_held_lane_goes_to_nobody_else
                a_held_lane_does_not_go_twice_to_the_same_worker
                a_lane_stays_held_until_its_last_job_ends
                other_lanes_of_the_creator_are_free_while_one_is_held
                the_same_fan_of_two_creators_is_two_lanes
                a_job_for_later_does_not_block_its_lane
                a_job_that_comes_due_while_its_lane_is_held_waits_for_it
                a_rescheduled_job_blocks_its_lane_until_it_is_due
                a_lane_waits_for_the_last_of_its_rescheduled_jobs
                a_rescheduled_job_does_not_free_a_lane_that_is_held
                a_blocked_lane_does_not_block_another
                a_lane_can_be_filled_and_emptied_again_and_again
                a_claim_by_a_clock_that_was_set_back_finds_only_what_is_due_by_it
            }
            fairness {
                a_claim_takes_a_lane_of_each_creator_before_a_second_of_any
                claims_of_one_lane_each_go_around_the_creators
                a_creator_who_floods_the_queue_does_not_delay_another
                a_flood_of_better_priority_does_not_delay_another_creator
                a_deep_lane_does_not_delay_another_of_its_creator
                within_a_creator_the_better_priority_goes_first
                within_a_priority_the_longer_due_goes_first
                the_first_job_of_a_lane_gives_its_priority
                a_job_for_later_gives_its_lane_no_priority
                a_claim_takes_no_more_lanes_of_one_creator_than_it_may
                a_bound_for_one_creator_holds_over_its_priorities
                a_claim_takes_nothing_of_creators_that_it_leaves_out
                who_is_left_out_keeps_the_place_of_its_lanes
                creators_within_bounds_have_their_lanes_in_turn
                limits_of_nothing_take_nothing
            }
            endings {
                a_completed_job_is_never_claimed_again
                completing_nothing_is_fine
                jobs_of_many_lanes_complete_in_one_call
                a_claim_ends_its_job_once
                a_claim_on_a_job_that_never_was_is_lost
                a_claim_with_a_wrong_token_is_lost
                a_rescheduled_job_comes_back_with_the_next_attempt
                a_job_rescheduled_to_the_past_is_due_at_once
                rescheduling_spends_the_claim
                a_job_that_was_given_up_is_never_claimed_again
                the_lane_of_a_job_that_was_given_up_goes_on
                giving_up_spends_the_claim
                any_note_is_taken
                the_lost_of_many_are_named_and_the_others_end
            }
            leases {
                the_jobs_of_a_lapsed_lease_are_handed_out_again
                what_a_dead_worker_had_finished_does_not_come_back
                jobs_that_came_meanwhile_are_handed_out_with_the_lapsed_ones
                a_claim_that_was_taken_over_can_do_nothing
                a_claim_that_was_taken_over_and_finished_can_do_nothing
                the_lost_are_left_to_their_taker_and_the_others_end
                a_lapsed_claim_that_nobody_took_still_ends_its_job
                a_lapsed_claim_that_nobody_took_can_be_extended
                an_extended_lease_outlasts_the_first_one
                a_lease_can_be_extended_many_times
                an_extended_lease_lapses_too
                extending_does_not_count_as_an_attempt
                a_claim_ends_its_job_after_a_duplicate_of_it_was_extended
                extending_nothing_answers_nothing
                extending_answers_with_those_that_are_still_held
                hundreds_of_leases_are_extended_in_one_call
                a_lane_is_free_once_all_its_leases_have_lapsed
                an_abandoned_job_comes_back_as_often_as_it_is_abandoned
            }
            signal {
                a_wait_ends_when_a_job_is_enqueued
                a_job_enqueued_between_a_claim_and_the_wait_is_not_missed
                an_abandoned_wait_takes_no_signal_from_the_next
                who_leaves_a_creator_out_hears_of_the_others
                what_a_claim_left_out_does_not_end_a_wait_again_and_again
                a_claim_that_leaves_a_creator_out_takes_no_signal_from_who_waits
                workers_who_wait_and_claim_drain_the_queue
            }
            races {
                no_lane_is_ever_in_two_hands_and_every_job_ends_in_order
                every_job_ends_exactly_once_though_workers_die
                of_many_who_claim_one_lane_at_once_exactly_one_gets_it
                of_many_who_end_one_job_at_once_exactly_one_does
            }
            records {
                a_job_is_listed_with_what_became_of_it
                a_completed_job_is_not_listed
                the_jobs_of_a_lane_come_in_the_order_of_enqueueing
                a_lane_lists_its_own_jobs_only
                a_cursor_of_another_lane_is_refused
                erasing_a_lane_takes_what_waits_and_what_was_given_up
                the_names_of_an_erased_lane_are_free
                erasing_a_lane_leaves_a_claimed_job_to_its_worker
                erasing_a_lane_leaves_all_others
                erasing_a_creator_takes_all_their_lanes_and_names
                erasing_a_creator_leaves_claimed_jobs_to_their_workers
            }
            cancel {
                a_dropped_enqueue_adds_all_or_none
                a_dropped_claim_leaves_the_lane_free_or_leased
                a_dropped_completion_ends_all_or_none
                a_dropped_rescheduling_leaves_the_job_held_or_handed_back
                a_dropped_giving_up_leaves_the_job_held_or_given_up
                a_dropped_extension_leaves_the_lease_as_it_was_or_extended
                a_dropped_wait_changes_nothing
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
        for (theme, cases) in crate::__queue_cases!([names], []) {
            let source = match theme {
                "enqueueing" => include_str!("enqueueing.rs"),
                "lanes" => include_str!("lanes.rs"),
                "fairness" => include_str!("fairness.rs"),
                "endings" => include_str!("endings.rs"),
                "leases" => include_str!("leases.rs"),
                "signal" => include_str!("signal.rs"),
                "races" => include_str!("races.rs"),
                "records" => include_str!("records.rs"),
                "cancel" => include_str!("cancel.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}
