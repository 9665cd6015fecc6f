//! Broadcasts are made, changed, listed and found when they are due.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::broadcast::{BroadcastState, Broadcasts};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::StoreError;

use super::{broadcast, id, put};
use crate::conformance::given::{at, creator_id, odd_texts};

pub async fn what_was_never_made_is_not_there(broadcasts: Arc<dyn Broadcasts>) {
    let found = broadcasts.broadcast(creator_id(1), id(1)).await.unwrap();
    assert_eq!(found, None);
    let first = PageRequest::first(5);
    let listed = broadcasts.broadcasts(creator_id(1), &first);
    assert_eq!(listed.await.unwrap().items, []);
    assert_eq!(broadcasts.due_broadcasts(at(9), 5).await.unwrap(), []);
}

pub async fn a_broadcast_reads_back_as_it_was_put(broadcasts: Arc<dyn Broadcasts>) {
    let mut made = broadcast(1, 1).rest(Duration::from_secs(90));
    made.state = BroadcastState::Scheduled { at: at(70) };
    made.due_at = Some(at(70));
    let revision = broadcasts.put_broadcast(&made, None).await.unwrap();
    let found = broadcasts.broadcast(creator_id(1), id(1)).await.unwrap();
    assert_eq!(found, Some(Versioned::new(made, revision)));
}

pub async fn any_words_read_back(broadcasts: Arc<dyn Broadcasts>) {
    for (number, text) in (1..).zip(odd_texts()) {
        let mut made = broadcast(1, number);
        made.message.text = text;
        broadcasts.put_broadcast(&made, None).await.unwrap();
        let found = broadcasts.broadcast(creator_id(1), id(number)).await;
        assert_eq!(found.unwrap().unwrap().value, made);
    }
}

pub async fn of_two_who_make_the_same_one_does(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    let again = broadcasts.put_broadcast(&broadcast(1, 1), None).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
}

pub async fn a_change_names_the_revision_that_it_builds_on(broadcasts: Arc<dyn Broadcasts>) {
    let early = broadcasts
        .put_broadcast(&broadcast(1, 1), Some(Revision::FIRST))
        .await;
    assert!(matches!(early, Err(StoreError::Conflict)), "{early:?}");
    let mut made = broadcast(1, 1);
    let first = broadcasts.put_broadcast(&made, None).await.unwrap();
    made.state = BroadcastState::Running;
    let second = broadcasts.put_broadcast(&made, Some(first)).await.unwrap();
    assert!(second > first);
    made.state = BroadcastState::Cancelled;
    let stale = broadcasts.put_broadcast(&made, Some(first)).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    let never = Some(Revision::new(u64::MAX));
    let stale = broadcasts.put_broadcast(&made, never).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    let found = broadcasts.broadcast(creator_id(1), id(1)).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.value.state, BroadcastState::Running);
    assert_eq!(found.revision, second);
}

pub async fn when_it_was_made_does_not_change(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    put(&*broadcasts, 1, 2).await;
    let first = broadcasts.broadcast(creator_id(1), id(1)).await.unwrap();
    let first = first.unwrap();
    broadcasts
        .put_broadcast(&first.value, Some(first.revision))
        .await
        .unwrap();
    let first = PageRequest::first(5);
    let listed = broadcasts.broadcasts(creator_id(1), &first);
    let ids: Vec<_> = listed
        .await
        .unwrap()
        .items
        .iter()
        .map(|b| b.value.id)
        .collect();
    assert_eq!(ids, [id(2), id(1)]);
}

pub async fn broadcasts_are_listed_from_the_last_made_page_by_page(
    broadcasts: Arc<dyn Broadcasts>,
) {
    for number in 1..=5 {
        put(&*broadcasts, 1, number).await;
        put(&*broadcasts, 2, number + 10).await;
    }
    // At the same time as another, and after it by its id.
    let mut twin = broadcast(1, 6);
    twin.created_at = at(5);
    broadcasts.put_broadcast(&twin, None).await.unwrap();
    let mut listed = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let found = broadcasts.broadcasts(creator_id(1), &page).await.unwrap();
        assert!(found.items.len() <= 2);
        listed.extend(found.items.into_iter().map(|stored| stored.value.id));
        match found.next {
            Some(next) => page = PageRequest::after(2, next),
            None => break,
        }
    }
    assert_eq!(listed, [6, 5, 4, 3, 2, 1].map(id));
}

pub async fn a_cursor_of_another_creator_is_refused(broadcasts: Arc<dyn Broadcasts>) {
    for number in 1..=2 {
        put(&*broadcasts, 1, number).await;
        put(&*broadcasts, 2, number + 10).await;
    }
    let first = PageRequest::first(1);
    let page = broadcasts.broadcasts(creator_id(1), &first).await.unwrap();
    let next = PageRequest::after(1, page.next.unwrap());
    let foreign = broadcasts.broadcasts(creator_id(2), &next).await;
    assert!(
        matches!(foreign, Err(StoreError::InvalidCursor)),
        "{foreign:?}"
    );
}

pub async fn what_is_due_is_listed_from_the_earliest_of_all_creators(
    broadcasts: Arc<dyn Broadcasts>,
) {
    for (creator, number, due) in [
        (1, 1, Some(30)),
        (2, 2, Some(10)),
        (1, 3, None),
        (2, 4, Some(50)),
    ] {
        let mut made = broadcast(creator, number);
        made.due_at = due.map(at);
        broadcasts.put_broadcast(&made, None).await.unwrap();
    }
    let due = broadcasts.due_broadcasts(at(30), 5).await.unwrap();
    assert_eq!(due, [(creator_id(2), id(2)), (creator_id(1), id(1))]);
    let due = broadcasts.due_broadcasts(at(90), 1).await.unwrap();
    assert_eq!(due, [(creator_id(2), id(2))]);
}

pub async fn no_creator_sees_anothers_broadcast(broadcasts: Arc<dyn Broadcasts>) {
    put(&*broadcasts, 1, 1).await;
    let foreign = broadcasts.broadcast(creator_id(2), id(1)).await.unwrap();
    assert_eq!(foreign, None);
    // The same id is another's.
    let mut theirs = put(&*broadcasts, 2, 1).await;
    theirs.state = BroadcastState::Cancelled;
    broadcasts
        .put_broadcast(&theirs, Some(Revision::FIRST))
        .await
        .unwrap();
    let ours = broadcasts.broadcast(creator_id(1), id(1)).await.unwrap();
    assert_eq!(ours.unwrap().value.state, BroadcastState::Draft);
}
