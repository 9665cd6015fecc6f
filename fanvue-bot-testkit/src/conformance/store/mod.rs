//! What every [`Store`](fanvue_bot_core::store::Store) must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod cancel;
pub mod changes;
pub mod conversations;
pub mod creators;
pub mod deletions;
pub mod due;
pub mod erased_creators;
pub mod erasure;
pub mod fans;
pub mod leases;
pub mod messages;
pub mod paging;
pub mod races;
pub mod registers;
pub mod tenants;
pub mod transactions;

use super::{Time, given};

/// One `#[tokio::test]` for each case of the store's contract.
///
/// `store_conformance!(factory)`, or `store_conformance!(factory, lease_clock)` with a
/// [`LeaseClock`](crate::conformance::LeaseClock); see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::store_conformance!($factory, $crate::conformance::LeaseClock::Caller);
    };
    ($factory:expr, $lease_clock:expr) => {
        $crate::__store_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::store::Store>, store, $factory, ()
        ]);
        $crate::__store_lease_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::store::Store>, store, $factory, ($lease_clock)
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            creators {
                a_creator_who_was_never_committed_is_none
                a_creator_reads_back_at_the_revision_of_the_commit
                every_field_of_a_creator_reads_back
                odd_texts_of_a_persona_read_back
                a_creator_is_replaced_whole
                each_commit_of_a_creator_raises_the_revision
                a_creator_who_exists_is_not_added_again
                a_creator_who_does_not_exist_is_not_replaced
                contradictory_settings_are_refused_by_name_and_change_nothing
                a_stale_revision_of_a_creator_conflicts_and_changes_nothing
                a_creator_is_found_by_their_account
                an_unknown_account_finds_nobody
                many_creators_may_have_no_account
                a_creator_can_connect_an_account_later
                a_creator_keeps_their_account_when_committed_again
                a_creator_is_not_found_by_an_account_they_had_before
                an_account_of_another_creator_conflicts_when_adding
                an_account_of_another_creator_conflicts_when_replacing
                an_account_that_was_given_up_can_be_connected_by_another
                the_ids_of_all_creators_come_in_order_and_in_pages
            }
            conversations {
                a_conversation_that_was_never_committed_is_none
                a_conversation_reads_back_at_the_revision_of_the_commit
                every_field_of_a_conversation_reads_back
                every_phase_of_a_turn_reads_back
                odd_texts_of_a_reply_read_back
                odd_times_of_a_conversation_read_back
                every_state_of_a_silence_reads_back
                great_numbers_of_a_turn_read_back
                hundreds_of_pending_messages_read_back_in_order
                what_is_emptied_reads_back_empty
                each_commit_of_a_conversation_raises_the_revision
                a_conversation_that_exists_is_not_added_again
                a_conversation_that_does_not_exist_is_not_replaced
                a_stale_revision_of_a_conversation_conflicts
                conversations_of_one_creator_have_revisions_of_their_own
            }
            messages {
                a_message_reads_back_in_every_field
                a_message_of_nothing_reads_back
                no_words_and_empty_words_are_told_apart
                every_author_reads_back
                message_types_keep_their_names_also_unknown_ones
                odd_texts_of_a_message_read_back
                odd_times_of_a_message_read_back
                prices_read_back_from_end_to_end
                what_is_known_of_media_reads_back
                token_counts_and_turns_read_back_from_end_to_end
                every_outcome_reads_back
                a_thousand_messages_fit_in_one_change
                a_message_that_was_never_committed_is_none
            }
            paging {
                messages_come_last_sent_first_whatever_the_order_of_commits
                messages_sent_at_the_same_time_come_by_descending_id
                messages_a_microsecond_apart_keep_their_order
                pages_of_any_size_cover_the_list_once
                a_page_of_none_is_empty
                the_list_of_an_empty_conversation_ends_at_once
                the_list_holds_the_messages_of_its_conversation_only
                messages_added_while_pages_are_read_appear_at_most_once
                a_cursor_can_be_used_again
                a_cursor_outlives_its_own_text
                a_cursor_that_is_none_is_refused
                a_cursor_of_another_conversation_is_refused
            }
            changes {
                a_change_without_rows_moves_the_state_alone
                a_conversation_may_be_added_with_its_first_messages
                a_content_update_changes_words_and_tokens_and_nothing_else
                a_content_update_can_take_everything_away
                a_decision_lands_on_a_stored_and_on_a_new_message
                the_last_decision_on_a_message_counts
                a_later_decision_replaces_an_earlier_one
                hundreds_of_updates_and_decisions_fit_in_one_change
                a_good_change_of_everything_is_made
                a_stale_change_changes_nothing
                a_new_message_that_exists_conflicts_and_changes_nothing
                a_new_message_that_exists_conflicts_also_when_sent_at_another_time
                a_message_that_is_new_twice_is_refused
                a_message_of_another_fan_is_rejected
                a_message_of_another_creator_is_rejected
                a_decision_on_an_unknown_message_is_rejected
                a_content_update_of_an_unknown_message_is_rejected
                a_message_of_another_conversation_is_unknown_to_a_change
                a_bad_first_change_adds_no_conversation
                a_refused_change_can_be_mended_and_made
            }
            fans {
                nobody_is_known_of_whom_no_change_told
                every_name_of_a_fan_reads_back
                a_fan_may_come_with_the_first_change
                a_fan_of_whom_only_the_id_is_known_reads_back
                odd_names_of_a_fan_read_back
                no_name_and_an_empty_name_are_told_apart
                what_a_change_does_not_know_of_the_fan_stays
                what_a_change_knows_of_the_fan_replaces_what_was_known
                a_change_without_the_fan_leaves_them
                the_profile_of_another_fan_is_rejected_and_changes_nothing
                a_refused_change_tells_nothing_of_the_fan
            }
            deletions {
                a_deleted_message_loses_what_it_says_and_nothing_else
                deleted_messages_are_listed_in_their_places
                a_message_may_be_new_and_deleted_in_one_change
                a_message_that_was_deleted_before_it_came_in_is_stored_without_words
                odd_times_of_a_deletion_read_back
                deleting_again_changes_nothing
                the_earliest_time_of_a_deletion_counts
                what_a_deleted_message_said_does_not_come_back
                words_beside_a_deleted_message_are_learned
                a_deleted_message_can_be_decided_on
                a_deleted_message_is_not_new_again
                hundreds_of_deletions_fit_in_one_change
                a_deletion_of_an_unknown_message_is_rejected
                a_stale_change_deletes_nothing
            }
            erasure {
                erasing_takes_messages_and_fan_and_leaves_the_state
                what_was_sent_after_the_time_of_an_erasure_stays
                odd_times_are_erased_through
                an_erasure_goes_in_parts_and_can_be_repeated
                erasing_where_nothing_is_does_nothing
                an_erasure_of_one_fan_leaves_all_others
                an_erased_conversation_goes_on_at_its_revision
            }
            erased_creators {
                a_marked_creator_is_unknown_and_the_account_is_free
                nothing_new_is_stored_of_a_marked_creator
                a_creator_who_is_not_marked_is_not_erased
                all_of_a_marked_creator_is_erased_and_nothing_of_others
                a_creator_is_erased_in_parts
                who_worked_on_an_erased_conversation_commits_nothing
            }
            due {
                a_conversation_is_due_from_its_time_on
                a_conversation_that_waits_for_nobody_is_not_due
                what_is_due_comes_earliest_first_whatever_the_order_of_commits
                what_is_due_at_the_same_time_comes_by_id
                odd_times_of_a_wake_up_are_in_order
                a_creators_list_holds_their_conversations_only
                the_list_of_all_creators_holds_every_conversation
                a_conversation_moves_in_the_list_with_its_time
                a_refused_change_moves_nothing_in_the_list
                pages_of_any_size_cover_what_is_due_once
                a_page_of_none_that_is_due_is_empty
                a_conversation_that_stays_is_listed_once_whatever_moves
                a_list_whose_rest_is_gone_ends
                a_cursor_of_what_is_due_stays_good_for_a_later_time
                a_cursor_of_what_is_due_can_be_used_again_and_as_text
                a_cursor_of_what_is_due_that_is_none_is_refused
                a_cursor_of_another_list_is_refused_by_what_is_due
            }
            transactions {
                a_transaction_reads_back_in_every_field
                every_kind_and_telling_reads_back
                odd_references_and_times_read_back
                a_payment_may_begin_a_conversation
                transactions_come_latest_first_in_pages_of_any_size
                a_cursor_of_other_transactions_is_refused
                a_transaction_that_exists_conflicts_and_changes_nothing
                a_transaction_of_another_conversation_or_twice_is_rejected
                a_stale_change_pays_nothing
                the_same_transaction_of_two_creators_is_two
                an_erasure_takes_transactions_up_to_its_time_and_in_parts
            }
            tenants {
                the_same_fan_has_a_conversation_with_each_creator
                the_same_message_id_under_two_creators_is_two_messages
                the_same_fan_is_known_to_each_creator_by_other_names
                a_deletion_of_one_creator_leaves_the_message_of_another
                no_read_returns_another_creators_row
                no_read_returns_another_fans_row
                a_commit_of_one_creator_leaves_the_others_as_they_are
            }
            races {
                of_concurrent_first_commits_exactly_one_wins
                of_concurrent_commits_on_one_revision_exactly_one_wins
                of_creators_who_take_one_account_at_once_exactly_one_gets_it
                commits_to_different_conversations_all_win
                no_commit_is_lost_when_losers_read_again
                readers_never_see_half_a_change
                a_read_sees_every_commit_that_has_returned
            }
            registers {
                a_register_that_was_never_set_is_none
                a_register_reads_back_at_the_revision_of_its_setting
                a_register_is_set_only_by_whoever_names_its_revision
                registers_of_different_names_are_independent
                odd_names_and_values_of_a_register_read_back
                of_many_who_count_at_once_no_count_is_lost
            }
            cancel {
                a_dropped_commit_leaves_the_old_state_or_the_new_one
                a_dropped_first_commit_leaves_nothing_or_everything
                a_dropped_read_changes_nothing
                a_dropped_taking_of_a_lease_leaves_it_free_or_held
                a_dropped_release_leaves_the_lease_held_or_free
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_lease_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            leases {
                a_free_lease_is_granted
                a_held_lease_is_refused_to_others
                leases_of_different_names_are_independent
                a_holder_who_asks_again_gets_the_lease_extended
                a_lapsed_lease_goes_to_the_next_with_a_greater_fence
                a_lapsed_lease_can_be_taken_by_its_last_holder
                a_released_lease_is_free_at_once
                the_fence_grows_also_after_a_release
                releasing_a_lease_that_was_taken_over_is_harmless
                releasing_an_old_lease_leaves_a_newer_one_of_the_same_holder
                releasing_twice_is_harmless
                a_lease_that_is_extended_can_be_released_by_what_was_granted_first
                long_and_odd_names_are_told_apart
                of_many_who_ask_at_once_exactly_one_gets_the_lease
                many_who_take_turns_never_overlap
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
        let mut listed = crate::__store_cases!([names], []);
        listed.extend(crate::__store_lease_cases!([names], []));
        for (theme, cases) in listed {
            let source = match theme {
                "creators" => include_str!("creators.rs"),
                "conversations" => include_str!("conversations.rs"),
                "messages" => include_str!("messages.rs"),
                "paging" => include_str!("paging.rs"),
                "changes" => include_str!("changes.rs"),
                "fans" => include_str!("fans.rs"),
                "deletions" => include_str!("deletions.rs"),
                "erased_creators" => include_str!("erased_creators.rs"),
                "erasure" => include_str!("erasure.rs"),
                "due" => include_str!("due.rs"),
                "transactions" => include_str!("transactions.rs"),
                "tenants" => include_str!("tenants.rs"),
                "races" => include_str!("races.rs"),
                "registers" => include_str!("registers.rs"),
                "cancel" => include_str!("cancel.rs"),
                "leases" => include_str!("leases.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}
