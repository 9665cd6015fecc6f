//! What every store must do that has [`AdminQueries`](fanvue_bot_core::admin::AdminQueries).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod counts;
pub mod lists;

use fanvue_bot_core::decision::{Decision, Outcome, Reason};
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::message::Message;
use fanvue_bot_core::time::Timestamp;

use super::given::{conversation_id, message};

/// One `#[tokio::test]` for each case of a store that answers what a dashboard asks.
///
/// `admin_queries_conformance!(factory)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! admin_queries_conformance {
    ($factory:expr) => {
        $crate::__admin_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::admin::AdminQueries>, admin, $factory, ()
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __admin_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            lists {
                a_decision_is_listed_with_its_message_and_its_time
                a_message_that_nothing_was_decided_on_is_not_listed
                decisions_come_latest_first_whatever_the_order_of_commits
                decisions_of_the_same_time_come_by_descending_ids
                odd_times_of_a_decision_are_in_order
                a_fans_list_holds_their_decisions_only
                a_creators_list_holds_their_decisions_only
                a_list_of_each_reason_holds_its_decisions_only
                a_decision_that_changes_moves_from_reason_to_reason
                a_refused_change_moves_nothing_between_reasons
                a_deleted_message_keeps_its_decision_in_the_list
                pages_of_any_size_cover_each_list_once
                a_decision_that_stays_is_listed_once_whatever_moves
                a_page_of_no_decisions_is_empty
                a_cursor_of_decisions_can_be_used_again_and_as_text
                a_cursor_of_decisions_that_is_none_is_refused
                a_cursor_of_another_list_of_decisions_is_refused
            }
            counts {
                every_reason_is_counted_under_its_name
                a_span_counts_from_its_beginning_and_without_its_end
                an_empty_span_counts_nothing
                a_decision_is_counted_once_when_it_was_made_last
                no_count_holds_another_creators_decisions
            }
        }
    };
}

/// An outcome that has this reason.
fn outcome(reason: Reason, at: Timestamp) -> Outcome {
    let turn = TurnId::new(7);
    match reason {
        Reason::Replied => Outcome::Replied { turn },
        Reason::Merged => Outcome::Merged { turn },
        Reason::Waiting(cause) => Outcome::Waiting { until: at, cause },
        Reason::AwaitingApproval => Outcome::AwaitingApproval { turn },
        Reason::PausedByHuman => Outcome::PausedByHuman { until: at },
        Reason::OptedOut => Outcome::OptedOut,
        Reason::Blocked(rule) => Outcome::Blocked { rule },
        Reason::NoSafeReply => Outcome::NoSafeReply {
            problem: "\"cause\":\"settling\",\"rule\":\"minor\"".into(),
        },
        Reason::OverBudget => Outcome::OverBudget,
        Reason::Failed => Outcome::Failed {
            cause: "{\"rule\":\"minor\"}".into(),
        },
        other => panic!("no outcome for {other}"),
    }
}

fn decision(reason: Reason, at: Timestamp) -> Decision {
    Decision::new(outcome(reason, at), at)
}

/// Message `number` of a fan to creator `creator`, decided on at `at`.
fn decided(creator: u32, fan: u32, number: u32, reason: Reason, at: Timestamp) -> Message {
    let mut message = message(conversation_id(creator, fan), number);
    message.decision = Some(decision(reason, at));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::names;
    use crate::conformance::tests::check;

    #[test]
    fn every_case_is_listed() {
        for (theme, cases) in crate::__admin_cases!([names], []) {
            let source = match theme {
                "lists" => include_str!("lists.rs"),
                "counts" => include_str!("counts.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }

    #[test]
    fn every_reason_has_an_outcome() {
        for reason in Reason::ALL {
            let at = Timestamp::UNIX_EPOCH;
            assert_eq!(outcome(*reason, at).reason(), *reason);
        }
    }
}
