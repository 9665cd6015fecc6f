//! What every [`Broadcasts`] must do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case is named by the sentence it checks, and fails by panicking"
)]

pub mod made;
pub mod recipients;

use fanvue_bot_core::broadcast::{Broadcast, Broadcasts, Segment, Template};
use fanvue_bot_core::client::{FanList, SmartList};
use fanvue_bot_core::id::BroadcastId;

use super::given;

fn id(number: u32) -> BroadcastId {
    let text = format!("b0000000-0000-4000-8000-{number:012}");
    text.parse().unwrap()
}

/// Broadcast `number` of creator `creator`, made that many seconds after the others.
fn broadcast(creator: u32, number: u32) -> Broadcast {
    let lists = [FanList::Smart(SmartList::Subscribers)];
    Broadcast::new(
        id(number),
        given::creator_id(creator),
        Template::text(format!("good morning {number}")),
        Segment::of(lists),
        given::at(u64::from(number)),
    )
}

async fn put(broadcasts: &dyn Broadcasts, creator: u32, number: u32) -> Broadcast {
    let made = broadcast(creator, number);
    broadcasts.put_broadcast(&made, None).await.unwrap();
    made
}

/// One `#[tokio::test]` for each case of the contract of broadcasts.
///
/// `broadcasts_conformance!(factory)`; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! broadcasts_conformance {
    ($factory:expr) => {
        $crate::__broadcasts_cases!([$crate::__conformance_tests], [
            ::std::sync::Arc<dyn $crate::conformance::__core::broadcast::Broadcasts>,
            broadcasts, $factory, ()
        ]);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __broadcasts_cases {
    ([$($callback:tt)*], $args:tt) => {
        $($callback)*! {
            $args
            made {
                what_was_never_made_is_not_there
                a_broadcast_reads_back_as_it_was_put
                any_words_read_back
                of_two_who_make_the_same_one_does
                a_change_names_the_revision_that_it_builds_on
                when_it_was_made_does_not_change
                broadcasts_are_listed_from_the_last_made_page_by_page
                a_cursor_of_another_creator_is_refused
                what_is_due_is_listed_from_the_earliest_of_all_creators
                no_creator_sees_anothers_broadcast
            }
            recipients {
                nobody_is_added_to_what_does_not_exist
                who_is_added_waits_and_is_counted
                adding_again_changes_nothing
                the_names_of_recipients_read_back_and_go_with_them
                only_who_stands_there_is_moved
                recipients_are_listed_in_order_page_by_page
                who_waits_is_cleared_and_the_others_stay
                the_broadcasts_of_a_fan_are_listed_page_by_page
                a_fan_is_forgotten_and_the_others_stay
                no_creator_sees_anothers_recipients
                every_standing_reads_back
                erasing_a_creator_takes_broadcasts_and_recipients
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
        for (theme, cases) in crate::__broadcasts_cases!([names], []) {
            let source = match theme {
                "made" => include_str!("made.rs"),
                "recipients" => include_str!("recipients.rs"),
                _ => panic!("no theme {theme}"),
            };
            check(theme, &cases, source);
        }
    }
}
