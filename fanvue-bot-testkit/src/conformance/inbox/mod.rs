//! What every [`Inbox`] must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod events;
pub mod fairness;
pub mod races;

use fanvue_bot_core::inbox::{Inbox, KeptEvent, WaitingEvent};

use super::given;

/// Event `number` of creator `creator`'s conversation with fan `fan`.
fn event(creator: u32, fan: u32, number: u32) -> KeptEvent {
    KeptEvent {
        conversation: given::conversation_id(creator, fan),
        received_at: given::at(u64::from(number)),
        topic: None,
        event_id: None,
        body: format!("event {number}").into_bytes().into(),
    }
}

/// Keeps events of one conversation.
async fn keep(inbox: &dyn Inbox, creator: u32, fan: u32, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        inbox.keep(event(creator, fan, number)).await.unwrap();
    }
}

/// Everything that waits and is not put off, of all creators, each creator's in its order.
async fn all(inbox: &dyn Inbox) -> Vec<WaitingEvent> {
    // Who is alone gets an eighth of a look.
    inbox.waiting(given::at(0), 1_000).await.unwrap()
}

/// The numbers of the creator's events, in the order in which they are listed.
fn numbers(events: &[WaitingEvent], creator: u32) -> Vec<u32> {
    let creator = given::creator_id(creator);
    let of_creator = events.iter().filter(|event| event.id.creator == creator);
    of_creator
        .map(|waiting| {
            let text = std::str::from_utf8(&waiting.event.body).unwrap();
            text.strip_prefix("event ").unwrap().parse().unwrap()
        })
        .collect()
}

/// One `#[tokio::test]` for each case of the inbox's contract.
///
/// `inbox_conformance!(factory)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! inbox_conformance {
    ($factory:expr) => {
        $crate::__inbox_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::inbox::Inbox>,
            inbox, $factory, ()
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __inbox_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            events {
                an_empty_inbox_lists_nothing
                a_kept_event_reads_back_as_it_came
                any_bytes_and_texts_read_back
                events_of_a_creator_are_listed_as_they_were_kept
                an_event_that_is_kept_twice_is_there_twice
                at_most_as_many_as_asked_for_are_listed
                the_events_of_one_conversation_are_its_own
                a_settled_event_is_gone_and_the_others_are_not
                settling_what_is_not_there_changes_nothing
                a_number_settles_nothing_of_another_creator
                an_event_that_is_put_off_is_listed_again_when_its_time_has_come
                an_event_that_is_put_off_is_still_of_its_conversation
                putting_off_what_is_not_there_changes_nothing
            }
            fairness {
                nobodys_many_events_hold_up_anothers_few
                looks_go_around_among_the_creators
                whoever_is_put_off_takes_no_place
            }
            races {
                events_that_are_kept_at_once_are_all_there
                two_who_settle_the_same_events_both_succeed
                a_dropped_keep_leaves_the_event_or_nothing
                a_dropped_settle_leaves_the_events_or_nothing
                who_waits_hears_of_an_event
                an_event_between_a_look_and_a_wait_is_not_missed
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
        for (theme, cases) in crate::__inbox_cases!([names], []) {
            let source = match theme {
                "events" => include_str!("events.rs"),
                "fairness" => include_str!("fairness.rs"),
                "races" => include_str!("races.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}
