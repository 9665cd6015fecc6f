//! Erasing what is held of one fan.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::store::{Erased, Store, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::given::{adding, at, chat_with, conversation_id, fan_id, far, message, odd_times};

/// Erases in parts of `limit`, at most 1,000; answers how many there were.
async fn erase(store: &dyn Store, id: ConversationId, through: Timestamp, limit: usize) -> usize {
    for part in 1..1_000 {
        if store.erase(id, through, limit).await.unwrap() == Erased::All {
            return part;
        }
    }
    panic!("the erasure does not end");
}

/// When the messages that are left were sent, the last first.
async fn left(store: &dyn Store, id: ConversationId) -> Vec<Timestamp> {
    let page = store.messages(id, &PageRequest::first(100)).await.unwrap();
    page.items.iter().map(|message| message.sent_at).collect()
}

/// A conversation with these messages, sent as many seconds after the start, and with a known fan.
async fn known(store: &dyn Store, creator: u32, fan: u32, numbers: &[u32]) {
    let id = conversation_id(creator, fan);
    let rows = numbers.iter().map(|number| message(id, *number)).collect();
    let (state, revision) = chat_with(store, creator, fan, rows).await;
    let mut change = adding(&state, vec![]);
    let mut profile = FanProfile::new(fan_id(fan));
    profile.display_name = Some("Sam".into());
    change.fan = Some(profile);
    store.commit(&change.into(), Some(revision)).await.unwrap();
}

pub async fn erasing_takes_messages_and_fan_and_leaves_the_state(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    known(&*store, 1, 1, &[1, 2, 3]).await;
    let before = store.conversation(id).await.unwrap().unwrap();
    erase(&*store, id, far(), 100).await;
    assert_eq!(left(&*store, id).await, []);
    assert_eq!(store.fan(id).await.unwrap(), None);
    let number = message(id, 2).id;
    assert_eq!(store.message(id, number).await.unwrap(), None);
    let after = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(after, before);
}

pub async fn what_was_sent_after_the_time_of_an_erasure_stays(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    known(&*store, 1, 1, &[1, 2, 3, 4]).await;
    let micro = Duration::from_micros(1);
    erase(&*store, id, at(2).minus(micro), 100).await;
    assert_eq!(left(&*store, id).await, [at(4), at(3), at(2)]);
    erase(&*store, id, at(2), 100).await;
    assert_eq!(left(&*store, id).await, [at(4), at(3)]);
}

pub async fn odd_times_are_erased_through(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut times = odd_times();
    let rows = (1..).zip(&times).map(|(number, time)| {
        let mut row = message(id, number);
        row.sent_at = *time;
        row
    });
    chat_with(&store, 1, 1, rows.collect()).await;
    times.sort();
    while !times.is_empty() {
        let first = times.remove(0);
        erase(&*store, id, first, 1).await;
        let expected: Vec<_> = times.iter().rev().copied().collect();
        assert_eq!(left(&*store, id).await, expected, "through {first}");
    }
}

pub async fn an_erasure_goes_in_parts_and_can_be_repeated(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let numbers: Vec<u32> = (1..=10).collect();
    known(&*store, 1, 1, &numbers).await;
    let first = store.erase(id, far(), 3).await.unwrap();
    assert_eq!(first, Erased::Some);
    assert_eq!(left(&*store, id).await.len(), 7);
    assert!(erase(&*store, id, far(), 3).await >= 3);
    assert_eq!(left(&*store, id).await, []);
    assert_eq!(store.erase(id, far(), 3).await.unwrap(), Erased::All);
}

pub async fn erasing_where_nothing_is_does_nothing(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    assert_eq!(store.erase(id, far(), 10).await.unwrap(), Erased::All);
    assert_eq!(store.conversation(id).await.unwrap(), None);
}

pub async fn an_erasure_of_one_fan_leaves_all_others(store: Arc<dyn Store>) {
    let chats = [(1, 1), (1, 2), (2, 1)];
    for (creator, fan) in chats {
        known(&*store, creator, fan, &[1, 2]).await;
    }
    erase(&*store, conversation_id(1, 1), far(), 10).await;
    for (creator, fan) in chats {
        let id = conversation_id(creator, fan);
        let count = if (creator, fan) == (1, 1) { 0 } else { 2 };
        assert_eq!(left(&*store, id).await.len(), count, "{creator}, {fan}");
        let known = store.fan(id).await.unwrap();
        assert_eq!(known.is_some(), count == 2, "{creator}, {fan}");
    }
}

pub async fn an_erased_conversation_goes_on_at_its_revision(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    known(&*store, 1, 1, &[1]).await;
    let stored = store.conversation(id).await.unwrap().unwrap();
    erase(&*store, id, far(), 10).await;
    // Whoever takes it for a new one is refused.
    let again = adding(&stored.value, vec![message(id, 1)]);
    let refused = store.commit(&again.clone().into(), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    let revision = store.commit(&again.into(), Some(stored.revision)).await;
    assert!(revision.unwrap() > stored.revision);
    assert_eq!(left(&*store, id).await, [at(1)]);
}
