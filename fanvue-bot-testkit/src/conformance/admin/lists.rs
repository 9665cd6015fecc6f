//! The lists of decisions: their order, their pages, and whose they are.

use std::sync::Arc;

use fanvue_bot_core::admin::{AdminQueries, DecisionsOf};
use fanvue_bot_core::decision::{Reason, Rule, WaitCause};
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;

use super::super::given::{
    adding, at, chat_with, conversation_id, creator_id, fan_id, message, message_id, odd_times,
};
use super::{decided, decision};

const SETTLING: Reason = Reason::Waiting(WaitCause::Settling);
const MINOR: Reason = Reason::Blocked(Rule::Minor);

/// Fan and message of a decision, by their numbers.
type Entry = (u32, u32);

/// Reads page by page until the end, at most 1,000 of them.
async fn read_all(store: &dyn AdminQueries, of: DecisionsOf, mut page: PageRequest) -> Vec<Entry> {
    let mut seen = Vec::new();
    for _ in 0..1_000 {
        let limit = page.limit;
        let answer = store.decisions(of, &page).await.unwrap();
        assert!(answer.items.len() <= limit, "more than the limit");
        for item in answer.items {
            assert_eq!(item.conversation.creator, of.creator());
            let fan = (1..100).find(|fan| fan_id(*fan) == item.conversation.fan);
            let message = (1..1_000).find(|number| message_id(*number) == item.message);
            seen.push((fan.unwrap(), message.unwrap()));
        }
        match answer.next {
            Some(next) => page = PageRequest::after(limit, next),
            None => return seen,
        }
    }
    panic!("the list does not end");
}

async fn read(store: &dyn AdminQueries, of: DecisionsOf) -> Vec<Entry> {
    read_all(store, of, PageRequest::first(100)).await
}

fn creator(of: u32) -> DecisionsOf {
    DecisionsOf::Creator(creator_id(of))
}

fn fan(of: u32, fan: u32) -> DecisionsOf {
    DecisionsOf::Fan(conversation_id(of, fan))
}

fn reason(of: u32, reason: Reason) -> DecisionsOf {
    DecisionsOf::Reason(creator_id(of), reason)
}

pub async fn a_decision_is_listed_with_its_message_and_its_time(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 2, 3, MINOR, at(50));
    chat_with(&store, 1, 2, vec![row.clone()]).await;
    for of in [creator(1), fan(1, 2), reason(1, MINOR)] {
        let page = store.decisions(of, &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.next, None);
        let [entry] = &*page.items else {
            panic!("{of:?}: {page:?}");
        };
        assert_eq!(entry.conversation, row.conversation);
        assert_eq!(entry.message, row.id);
        assert_eq!(entry.sent_at, row.sent_at);
        assert_eq!(Some(&entry.decision), row.decision.as_ref());
    }
}

pub async fn a_message_that_nothing_was_decided_on_is_not_listed(store: Arc<dyn AdminQueries>) {
    let rows = vec![
        message(conversation_id(1, 1), 1),
        decided(1, 1, 2, MINOR, at(9)),
    ];
    chat_with(&store, 1, 1, rows).await;
    assert_eq!(read(&*store, creator(1)).await, [(1, 2)]);
    assert_eq!(read(&*store, fan(1, 1)).await, [(1, 2)]);
    assert_eq!(read(&*store, fan(1, 2)).await, []);
}

pub async fn decisions_come_latest_first_whatever_the_order_of_commits(
    store: Arc<dyn AdminQueries>,
) {
    for (chat, times) in [(1, [30, 10]), (2, [20, 40])] {
        let rows = (1..).zip(times);
        let rows = rows.map(|(number, time)| decided(1, chat, number, MINOR, at(time)));
        chat_with(&store, 1, chat, rows.collect()).await;
    }
    let expected = [(2, 2), (1, 1), (2, 1), (1, 2)];
    assert_eq!(read(&*store, creator(1)).await, expected);
    assert_eq!(read(&*store, reason(1, MINOR)).await, expected);
    assert_eq!(read(&*store, fan(1, 2)).await, [(2, 2), (2, 1)]);
}

pub async fn decisions_of_the_same_time_come_by_descending_ids(store: Arc<dyn AdminQueries>) {
    for chat in [2, 1] {
        let rows = [2, 3, 1].map(|number| decided(1, chat, number, MINOR, at(5)));
        chat_with(&store, 1, chat, rows.to_vec()).await;
    }
    let expected = [(2, 3), (2, 2), (2, 1), (1, 3), (1, 2), (1, 1)];
    for limit in [1, 2, 4, 10] {
        for of in [creator(1), reason(1, MINOR)] {
            let listed = read_all(&*store, of, PageRequest::first(limit)).await;
            assert_eq!(listed, expected, "in pages of {limit}");
        }
    }
    assert_eq!(read(&*store, fan(1, 2)).await, expected[..3]);
}

pub async fn odd_times_of_a_decision_are_in_order(store: Arc<dyn AdminQueries>) {
    let mut times: Vec<_> = (1..).zip(odd_times()).collect();
    let rows = times
        .iter()
        .map(|(number, time)| decided(1, 1, *number, SETTLING, *time))
        .collect();
    chat_with(&store, 1, 1, rows).await;
    times.sort_by_key(|(number, time)| std::cmp::Reverse((*time, *number)));
    let expected: Vec<_> = times.iter().map(|(number, _)| (1, *number)).collect();
    for of in [creator(1), fan(1, 1), reason(1, SETTLING)] {
        for limit in [1, 3, 100] {
            let listed = read_all(&*store, of, PageRequest::first(limit)).await;
            assert_eq!(listed, expected, "{of:?} in pages of {limit}");
        }
    }
}

pub async fn a_fans_list_holds_their_decisions_only(store: Arc<dyn AdminQueries>) {
    for (owner, chat) in [(1, 1), (1, 2), (2, 1)] {
        let row = decided(owner, chat, 10 * owner + chat, MINOR, at(1));
        chat_with(&store, owner, chat, vec![row]).await;
    }
    assert_eq!(read(&*store, fan(1, 1)).await, [(1, 11)]);
    assert_eq!(read(&*store, fan(1, 2)).await, [(2, 12)]);
    assert_eq!(read(&*store, fan(2, 1)).await, [(1, 21)]);
    assert_eq!(read(&*store, fan(2, 2)).await, []);
}

pub async fn a_creators_list_holds_their_decisions_only(store: Arc<dyn AdminQueries>) {
    for owner in [1, 2] {
        let row = decided(owner, 1, owner, MINOR, at(1));
        chat_with(&store, owner, 1, vec![row]).await;
    }
    for owner in [1, 2] {
        assert_eq!(read(&*store, creator(owner)).await, [(1, owner)]);
        assert_eq!(read(&*store, reason(owner, MINOR)).await, [(1, owner)]);
    }
    assert_eq!(read(&*store, creator(3)).await, []);
}

pub async fn a_list_of_each_reason_holds_its_decisions_only(store: Arc<dyn AdminQueries>) {
    let rows = (1..)
        .zip(Reason::ALL)
        .map(|(number, reason)| decided(1, 1, number, *reason, at(60)))
        .collect();
    chat_with(&store, 1, 1, rows).await;
    for (number, each) in (1..).zip(Reason::ALL) {
        let listed = read(&*store, reason(1, *each)).await;
        assert_eq!(listed, [(1, number)], "{each}");
    }
}

pub async fn a_decision_that_changes_moves_from_reason_to_reason(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, SETTLING, at(1));
    let (state, revision) = chat_with(&store, 1, 1, vec![row]).await;
    let mut change = adding(&state, vec![]);
    change.decisions = vec![(message_id(1), decision(MINOR, at(9)))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    assert_eq!(read(&*store, reason(1, SETTLING)).await, []);
    assert_eq!(read(&*store, reason(1, MINOR)).await, [(1, 1)]);
    assert_eq!(read(&*store, creator(1)).await, [(1, 1)]);
}

pub async fn a_refused_change_moves_nothing_between_reasons(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, SETTLING, at(1));
    let (state, _) = chat_with(&store, 1, 1, vec![row]).await;
    let mut change = adding(&state, vec![]);
    change.decisions = vec![(message_id(1), decision(MINOR, at(9)))];
    let refused = store.commit(&change.into(), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(read(&*store, reason(1, SETTLING)).await, [(1, 1)]);
    assert_eq!(read(&*store, reason(1, MINOR)).await, []);
}

pub async fn a_deleted_message_keeps_its_decision_in_the_list(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, MINOR, at(1));
    let (state, revision) = chat_with(&store, 1, 1, vec![row]).await;
    let mut change = adding(&state, vec![]);
    change.deletions = vec![(message_id(1), at(9))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    assert_eq!(read(&*store, reason(1, MINOR)).await, [(1, 1)]);
}

pub async fn pages_of_any_size_cover_each_list_once(store: Arc<dyn AdminQueries>) {
    for chat in 1..=3 {
        let rows = (1..=9).map(|number| {
            let each = if number % 3 == 0 { MINOR } else { SETTLING };
            decided(1, chat, number, each, at(u64::from(number % 4)))
        });
        chat_with(&store, 1, chat, rows.collect()).await;
    }
    for (of, count) in [
        (creator(1), 27),
        (fan(1, 2), 9),
        (reason(1, SETTLING), 18),
        (reason(1, MINOR), 9),
    ] {
        let whole = read(&*store, of).await;
        assert_eq!(whole.len(), count, "{of:?}");
        for limit in 1..=count + 1 {
            let paged = read_all(&*store, of, PageRequest::first(limit)).await;
            assert_eq!(paged, whole, "{of:?} in pages of {limit}");
        }
    }
}

pub async fn a_decision_that_stays_is_listed_once_whatever_moves(store: Arc<dyn AdminQueries>) {
    let rows = (1..=6).map(|number| decided(1, 1, number, SETTLING, at(u64::from(number))));
    let (state, mut revision) = chat_with(&store, 1, 1, rows.collect()).await;
    let (of, mut page) = (creator(1), PageRequest::first(1));
    let mut seen = Vec::new();
    for round in 0..20 {
        let answer = store.decisions(of, &page).await.unwrap();
        seen.extend(answer.items.iter().map(|item| item.message));
        let mut change = adding(&state, vec![]);
        change.decisions = vec![(message_id(3), decision(MINOR, at(100 + round)))];
        revision = store.commit(&change.into(), Some(revision)).await.unwrap();
        match answer.next {
            Some(next) => page = PageRequest::after(1, next),
            None => break,
        }
    }
    for number in [1, 2, 4, 5, 6] {
        let times = seen.iter().filter(|id| **id == message_id(number)).count();
        assert_eq!(times, 1, "message {number}");
    }
}

pub async fn a_page_of_no_decisions_is_empty(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, MINOR, at(1));
    chat_with(&store, 1, 1, vec![row]).await;
    for of in [creator(1), fan(1, 1), reason(1, MINOR)] {
        let page = store.decisions(of, &PageRequest::first(0)).await.unwrap();
        assert_eq!(page.items, []);
    }
}

pub async fn a_cursor_of_decisions_can_be_used_again_and_as_text(store: Arc<dyn AdminQueries>) {
    let rows = (1..=3).map(|number| decided(1, 1, number, MINOR, at(u64::from(number))));
    chat_with(&store, 1, 1, rows.collect()).await;
    for of in [creator(1), fan(1, 1), reason(1, MINOR)] {
        let first = store.decisions(of, &PageRequest::first(1)).await.unwrap();
        let text = first.next.unwrap().as_str().to_owned();
        for _ in 0..2 {
            let page = PageRequest::after(10, Cursor::new(text.clone()));
            assert_eq!(read_all(&*store, of, page).await, [(1, 2), (1, 1)]);
        }
    }
}

pub async fn a_cursor_of_decisions_that_is_none_is_refused(store: Arc<dyn AdminQueries>) {
    for text in ["", "x", "decisions/", "m1.0.0.0", "é/é", "c1...."] {
        for of in [creator(1), fan(1, 1), reason(1, MINOR)] {
            let page = PageRequest::after(5, Cursor::new(text));
            let refused = store.decisions(of, &page).await;
            assert!(
                matches!(refused, Err(StoreError::InvalidCursor)),
                "{text}: {refused:?}"
            );
        }
    }
}

pub async fn a_cursor_of_another_list_of_decisions_is_refused(store: Arc<dyn AdminQueries>) {
    for owner in [1, 2] {
        for chat in [1, 2] {
            let rows = [(1, MINOR), (2, SETTLING), (3, MINOR), (4, SETTLING)];
            let rows = rows
                .map(|(number, each)| decided(owner, chat, number, each, Timestamp::UNIX_EPOCH));
            chat_with(&store, owner, chat, rows.to_vec()).await;
        }
    }
    let lists = [
        creator(1),
        creator(2),
        fan(1, 1),
        fan(1, 2),
        fan(2, 1),
        reason(1, MINOR),
        reason(1, SETTLING),
        reason(2, MINOR),
    ];
    for of in lists {
        let first = store.decisions(of, &PageRequest::first(1)).await.unwrap();
        let cursor = first.next.unwrap();
        for other in lists {
            let page = PageRequest::after(1, cursor.clone());
            let read = store.decisions(other, &page).await;
            match read {
                Ok(_) => assert_eq!(of, other),
                Err(StoreError::InvalidCursor) => assert_ne!(of, other),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}
