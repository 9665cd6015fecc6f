//! The list of conversations that are due: its order, its pages, and whose they are.

use std::sync::Arc;

use fanvue_bot_core::conversation::{Clearance, Conversation, Phase, Purpose, Turn};
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{ConversationId, CreatorId, TurnId};
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{ConversationChange, Due, Store, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::given::{
    at, chat, chat_with, conversation, conversation_id, creator_id, far, message, odd_times,
    onboard,
};

/// The conversation, to be woken at `wake_at`.
fn waking(creator: u32, fan: u32, wake_at: Option<Timestamp>) -> Conversation {
    let mut state = conversation(creator, fan);
    state.turn = wake_at.map(|until| Turn {
        id: TurnId::new(1),
        seed: Seed::new(1),
        draft: 1,
        clearance: Clearance::Automatic,
        purpose: Purpose::Answer,
        phase: Phase::Settling {
            until,
            latest: until,
        },
    });
    assert_eq!(state.wake_at(), wake_at);
    state
}

/// Commits the conversation, to be woken at `wake_at`.
async fn wake(
    store: &dyn Store,
    (creator, fan): (u32, u32),
    wake_at: Option<Timestamp>,
    expected: Option<Revision>,
) -> Revision {
    let change = ConversationChange::new(waking(creator, fan, wake_at)).into();
    store.commit(&change, expected).await.unwrap()
}

/// Commits one conversation for each fan of creator 1, to be woken at these seconds.
async fn waking_fans(store: &dyn Store, fans: impl IntoIterator<Item = (u32, u64)>) {
    onboard(store, 1).await;
    for (fan, seconds) in fans {
        wake(store, (1, fan), Some(at(seconds)), None).await;
    }
}

fn due(creator: u32, fan: u32, wake_at: Timestamp) -> Due {
    Due {
        conversation: conversation_id(creator, fan),
        wake_at,
    }
}

/// Reads page by page until the end, at most 1,000 of them.
async fn read_all(
    store: &dyn Store,
    of: Option<CreatorId>,
    until: Timestamp,
    mut page: PageRequest,
) -> Vec<Due> {
    let mut seen = Vec::new();
    for _ in 0..1_000 {
        let limit = page.limit;
        let answer = store.due(of, until, &page).await.unwrap();
        assert!(answer.items.len() <= limit, "more than the limit");
        seen.extend(answer.items);
        match answer.next {
            Some(next) => page = PageRequest::after(limit, next),
            None => return seen,
        }
    }
    panic!("the list does not end");
}

/// Both lists in which the conversations of creator 1 stand.
const LISTS: [Option<u32>; 2] = [None, Some(1)];

async fn fans_due(store: &dyn Store, of: Option<u32>, until: Timestamp, limit: usize) -> Vec<u32> {
    let all = read_all(store, of.map(creator_id), until, PageRequest::first(limit)).await;
    let number = |id: ConversationId| (1..=100).find(|number| conversation_id(1, *number) == id);
    all.into_iter()
        .map(|due| number(due.conversation).expect("a fan of creator 1"))
        .collect()
}

pub async fn a_conversation_is_due_from_its_time_on(store: Arc<dyn Store>) {
    waking_fans(&store, [(1, 10)]).await;
    let micros = std::time::Duration::from_micros;
    for of in [None, Some(creator_id(1))] {
        for (until, expected) in [
            (at(9), vec![]),
            (at(9) + micros(999_999), vec![]),
            (at(10), vec![due(1, 1, at(10))]),
            (at(10) + micros(1), vec![due(1, 1, at(10))]),
            (far(), vec![due(1, 1, at(10))]),
            (Timestamp::MAX, vec![due(1, 1, at(10))]),
        ] {
            let page = PageRequest::first(10);
            let listed = store.due(of, until, &page).await.unwrap();
            assert_eq!(listed.items, expected, "until {until}");
            assert_eq!(listed.next, None);
        }
    }
}

pub async fn a_conversation_that_waits_for_nobody_is_not_due(store: Arc<dyn Store>) {
    chat(&store, 1, 1).await;
    wake(&store, (1, 2), None, None).await;
    for of in LISTS {
        let fans = fans_due(&store, of, Timestamp::MAX, 10).await;
        assert_eq!(fans, Vec::<u32>::new());
    }
}

pub async fn what_is_due_comes_earliest_first_whatever_the_order_of_commits(store: Arc<dyn Store>) {
    waking_fans(&store, [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)]).await;
    for of in LISTS {
        assert_eq!(fans_due(&store, of, at(40), 10).await, [2, 4, 1, 5]);
    }
}

pub async fn what_is_due_at_the_same_time_comes_by_id(store: Arc<dyn Store>) {
    waking_fans(&store, [(3, 10), (1, 10), (5, 9), (2, 10), (4, 10)]).await;
    for of in LISTS {
        for limit in 1..=6 {
            let fans = fans_due(&store, of, at(10), limit).await;
            assert_eq!(fans, [5, 1, 2, 3, 4], "in pages of {limit}");
        }
    }
    onboard(&store, 2).await;
    wake(&store, (2, 1), Some(at(10)), None).await;
    let all = read_all(&store, None, at(10), PageRequest::first(2)).await;
    assert!(
        all.is_sorted_by_key(|due| (due.wake_at, due.conversation)),
        "{all:?}"
    );
    assert_eq!(all.len(), 6);
}

pub async fn odd_times_of_a_wake_up_are_in_order(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let mut expected = Vec::new();
    for (fan, time) in (1..).zip(odd_times()) {
        wake(&store, (1, fan), Some(time), None).await;
        expected.push(due(1, fan, time));
    }
    expected.sort_by_key(|due| due.wake_at);
    for of in [None, Some(creator_id(1))] {
        let page = PageRequest::first(2);
        let all = read_all(&store, of, Timestamp::MAX, page).await;
        assert_eq!(all, expected);
        let page = PageRequest::first(2);
        let first = read_all(&store, of, expected[0].wake_at, page).await;
        assert_eq!(first, expected[..1]);
    }
}

pub async fn a_creators_list_holds_their_conversations_only(store: Arc<dyn Store>) {
    for creator in [1, 2, 3] {
        onboard(&store, creator).await;
    }
    for (creator, fan, seconds) in [(1, 1, 10), (2, 1, 11), (1, 2, 12), (2, 2, 9)] {
        wake(&store, (creator, fan), Some(at(seconds)), None).await;
    }
    for (creator, expected) in [
        (1, vec![due(1, 1, at(10)), due(1, 2, at(12))]),
        (2, vec![due(2, 2, at(9)), due(2, 1, at(11))]),
        (3, vec![]),
        (4, vec![]),
    ] {
        for limit in [1, 10] {
            let page = PageRequest::first(limit);
            let of = Some(creator_id(creator));
            assert_eq!(read_all(&store, of, far(), page).await, expected);
        }
    }
}

pub async fn the_list_of_all_creators_holds_every_conversation(store: Arc<dyn Store>) {
    for creator in [1, 2] {
        onboard(&store, creator).await;
    }
    for (creator, fan, seconds) in [(1, 1, 10), (2, 1, 11), (1, 2, 12), (2, 2, 9)] {
        wake(&store, (creator, fan), Some(at(seconds)), None).await;
    }
    let expected = [
        due(2, 2, at(9)),
        due(1, 1, at(10)),
        due(2, 1, at(11)),
        due(1, 2, at(12)),
    ];
    for limit in [1, 3, 10] {
        let all = read_all(&store, None, far(), PageRequest::first(limit)).await;
        assert_eq!(all, expected, "in pages of {limit}");
    }
}

pub async fn a_conversation_moves_in_the_list_with_its_time(store: Arc<dyn Store>) {
    waking_fans(&store, [(1, 20)]).await;
    let mut revision = wake(&store, (1, 2), Some(at(10)), None).await;
    for (seconds, expected) in [
        (Some(30), vec![1, 2]),
        (None, vec![1]),
        (Some(50), vec![1]),
        (Some(10), vec![2, 1]),
        (Some(10), vec![2, 1]),
        (None, vec![1]),
    ] {
        revision = wake(&store, (1, 2), seconds.map(at), Some(revision)).await;
        for of in LISTS {
            let fans = fans_due(&store, of, at(40), 10).await;
            assert_eq!(fans, expected, "after {seconds:?}");
        }
    }
}

pub async fn a_refused_change_moves_nothing_in_the_list(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let revision = wake(&store, (1, 1), Some(at(10)), None).await;
    let mut change = ConversationChange::new(waking(1, 1, Some(at(5))));
    let stale = store.commit(&change.clone().into(), None).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    change.messages = vec![message(conversation_id(1, 2), 1)];
    let bad = store.commit(&change.into(), Some(revision)).await;
    assert!(matches!(bad, Err(StoreError::Rejected { .. })), "{bad:?}");
    for of in [None, Some(creator_id(1))] {
        let all = read_all(&store, of, far(), PageRequest::first(10)).await;
        assert_eq!(all, [due(1, 1, at(10))]);
    }
}

pub async fn pages_of_any_size_cover_what_is_due_once(store: Arc<dyn Store>) {
    waking_fans(&store, (1..=20).map(|fan| (fan, u64::from(fan / 3)))).await;
    for of in LISTS {
        for limit in [1, 2, 3, 7, 19, 20, 21, 500, 1_000_000] {
            let fans = fans_due(&store, of, far(), limit).await;
            assert_eq!(fans, (1..=20).collect::<Vec<_>>(), "in pages of {limit}");
        }
    }
}

pub async fn a_page_of_none_that_is_due_is_empty(store: Arc<dyn Store>) {
    waking_fans(&store, [(1, 10)]).await;
    for of in [None, Some(creator_id(1))] {
        let page = PageRequest::first(0);
        assert_eq!(store.due(of, far(), &page).await.unwrap().items, []);
    }
}

pub async fn a_conversation_that_stays_is_listed_once_whatever_moves(store: Arc<dyn Store>) {
    for (creator, of) in [(1, None), (2, Some(creator_id(2)))] {
        onboard(&store, creator).await;
        // Even ones stay, odd ones move: away, to the front, and to the end.
        let mut revisions = Vec::new();
        for fan in 1..=20 {
            let time = at(100 + u64::from(fan));
            revisions.push(wake(&store, (creator, fan), Some(time), None).await);
        }
        let mut moving = (1..=19).step_by(2);
        let mut seen = Vec::new();
        let mut page = PageRequest::first(3);
        for to in [None, Some(at(1)), Some(at(200)), None, Some(at(2))] {
            let answer = store.due(of, far(), &page).await.unwrap();
            seen.extend(answer.items);
            for fan in moving.by_ref().take(2) {
                let index = usize::try_from(fan - 1).unwrap();
                wake(&store, (creator, fan), to, Some(revisions[index])).await;
            }
            page = PageRequest::after(3, answer.next.expect("more to come"));
        }
        seen.extend(read_all(&store, of, far(), page).await);
        for fan in (2..=20).step_by(2) {
            let stays = due(creator, fan, at(100 + u64::from(fan)));
            let times = seen.iter().filter(|due| **due == stays).count();
            assert_eq!(times, 1, "fan {fan} in {seen:?}");
        }
    }
}

pub async fn a_list_whose_rest_is_gone_ends(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    wake(&store, (1, 1), Some(at(1)), None).await;
    let last = wake(&store, (1, 2), Some(at(2)), None).await;
    let mut pages = Vec::new();
    for of in [None, Some(creator_id(1))] {
        let first = store.due(of, far(), &PageRequest::first(1)).await.unwrap();
        pages.push((of, PageRequest::after(1, first.next.unwrap())));
    }
    wake(&store, (1, 2), None, Some(last)).await;
    for (of, page) in pages {
        let rest = store.due(of, far(), &page).await.unwrap();
        assert_eq!(rest.items, []);
        assert_eq!(rest.next, None);
    }
}

pub async fn a_cursor_of_what_is_due_stays_good_for_a_later_time(store: Arc<dyn Store>) {
    waking_fans(&store, (1..=6).map(|fan| (fan, u64::from(fan)))).await;
    for of in [None, Some(creator_id(1))] {
        let first = store.due(of, at(3), &PageRequest::first(2)).await.unwrap();
        let page = PageRequest::after(2, first.next.unwrap());
        let rest = read_all(&store, of, at(5), page.clone()).await;
        let expected: Vec<Due> = (3..=5).map(|fan| due(1, fan, at(fan.into()))).collect();
        assert_eq!(rest, expected);
        assert_eq!(read_all(&store, of, at(1), page).await, []);
    }
}

pub async fn a_cursor_of_what_is_due_can_be_used_again_and_as_text(store: Arc<dyn Store>) {
    waking_fans(&store, (1..=6).map(|fan| (fan, u64::from(fan)))).await;
    for of in [None, Some(creator_id(1))] {
        let first = store.due(of, far(), &PageRequest::first(2)).await.unwrap();
        let text = first.next.as_ref().unwrap().to_string();
        let page = PageRequest::after(2, first.next.unwrap());
        let once = store.due(of, far(), &page).await.unwrap();
        let again = store.due(of, far(), &page).await.unwrap();
        let text = PageRequest::after(2, Cursor::new(text));
        let as_text = store.due(of, far(), &text).await.unwrap();
        assert_eq!(once, again);
        assert_eq!(once, as_text);
        assert_eq!(once.items, [due(1, 3, at(3)), due(1, 4, at(4))]);
    }
}

pub async fn a_cursor_of_what_is_due_that_is_none_is_refused(store: Arc<dyn Store>) {
    waking_fans(&store, (1..=4).map(|fan| (fan, u64::from(fan)))).await;
    let long = "9".repeat(10_000);
    for text in [
        "",
        "0",
        "nonsense",
        "💌",
        "due/all/1",
        "a/b/c/d/e",
        "-1",
        "' OR 1=1 --",
        &long,
    ] {
        for of in [None, Some(creator_id(1))] {
            let page = PageRequest::after(2, Cursor::new(text));
            let refused = store.due(of, far(), &page).await;
            assert!(
                matches!(refused, Err(StoreError::InvalidCursor)),
                "{text:.20}: {refused:?}"
            );
        }
    }
}

pub async fn a_cursor_of_another_list_is_refused_by_what_is_due(store: Arc<dyn Store>) {
    waking_fans(&store, (1..=4).map(|fan| (fan, u64::from(fan)))).await;
    onboard(&store, 2).await;
    for fan in 1..=4 {
        wake(&store, (2, fan), Some(at(fan.into())), None).await;
    }
    let id = conversation_id(1, 9);
    let messages = (1..=4).map(|number| message(id, number)).collect();
    chat_with(&store, 1, 9, messages).await;

    let two = PageRequest::first(2);
    let chat = store.messages(id, &two).await.unwrap().next.unwrap();
    let chat = PageRequest::after(2, chat);
    let lists = [None, Some(creator_id(1)), Some(creator_id(2))];
    for of in lists {
        let refused = store.due(of, far(), &chat).await;
        assert!(
            matches!(refused, Err(StoreError::InvalidCursor)),
            "{refused:?}"
        );
        let next = store.due(of, far(), &two).await.unwrap().next.unwrap();
        let page = PageRequest::after(2, next);
        let refused = store.messages(id, &page).await;
        assert!(
            matches!(refused, Err(StoreError::InvalidCursor)),
            "{refused:?}"
        );
        for other in lists.into_iter().filter(|other| *other != of) {
            let refused = store.due(other, far(), &page).await;
            assert!(
                matches!(refused, Err(StoreError::InvalidCursor)),
                "{of:?} read as {other:?}: {refused:?}"
            );
        }
    }
}
