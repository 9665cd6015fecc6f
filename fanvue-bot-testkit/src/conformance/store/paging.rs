//! The list of a conversation's messages: its order, its pages and its cursors.

use std::sync::Arc;

use fanvue_bot_core::id::{ConversationId, MessageId};
use fanvue_bot_core::message::Message;
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::store::{Store, StoreError};

use super::given::{adding, at, chat, chat_with, conversation_id, message, message_id};

/// Reads page by page until the end, at most 10,000 of them.
async fn read_all(store: &dyn Store, id: ConversationId, mut page: PageRequest) -> Vec<MessageId> {
    let mut seen = Vec::new();
    for _ in 0..10_000 {
        let limit = page.limit;
        let answer = store.messages(id, &page).await.unwrap();
        assert!(answer.items.len() <= limit, "more than the limit");
        seen.extend(answer.items.iter().map(|message| message.id));
        match answer.next {
            Some(next) => page = PageRequest::after(limit, next),
            None => return seen,
        }
    }
    panic!("the list does not end");
}

fn numbered(numbers: impl IntoIterator<Item = u32>) -> Vec<Message> {
    numbers
        .into_iter()
        .map(|number| message(conversation_id(1, 1), number))
        .collect()
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<MessageId> {
    numbers.into_iter().map(message_id).collect()
}

pub async fn messages_come_last_sent_first_whatever_the_order_of_commits(store: Arc<dyn Store>) {
    let (conversation, mut revision) = chat(&store, 1, 1).await;
    for number in [3, 1, 5, 2, 4] {
        let change = adding(&conversation, numbered([number])).into();
        revision = store.commit(&change, Some(revision)).await.unwrap();
    }
    let all = read_all(&store, conversation.id, PageRequest::first(10)).await;
    assert_eq!(all, ids([5, 4, 3, 2, 1]));
}

pub async fn messages_sent_at_the_same_time_come_by_descending_id(store: Arc<dyn Store>) {
    let mut messages = numbered([2, 5, 1, 4, 3, 6]);
    for message in &mut messages {
        message.sent_at = at(if message.id == message_id(6) { 1 } else { 2 });
    }
    let (conversation, _) = chat_with(&store, 1, 1, messages).await;
    for limit in 1..=7 {
        let all = read_all(&store, conversation.id, PageRequest::first(limit)).await;
        assert_eq!(all, ids([5, 4, 3, 2, 1, 6]), "in pages of {limit}");
    }
}

pub async fn messages_a_microsecond_apart_keep_their_order(store: Arc<dyn Store>) {
    let mut messages = numbered([1, 2, 3]);
    for (message, micros) in messages.iter_mut().zip([2, 0, 1]) {
        message.sent_at = at(1) + std::time::Duration::from_micros(micros);
    }
    let (conversation, _) = chat_with(&store, 1, 1, messages).await;
    let all = read_all(&store, conversation.id, PageRequest::first(1)).await;
    assert_eq!(all, ids([1, 3, 2]));
}

pub async fn pages_of_any_size_cover_the_list_once(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=20)).await;
    let expected = ids((1..=20).rev());
    for limit in [1, 2, 3, 7, 19, 20, 21, 500, 1_000_000] {
        let all = read_all(&store, conversation.id, PageRequest::first(limit)).await;
        assert_eq!(all, expected, "in pages of {limit}");
    }
}

pub async fn a_page_of_none_is_empty(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=3)).await;
    let page = store
        .messages(conversation.id, &PageRequest::first(0))
        .await
        .unwrap();
    assert_eq!(page.items, []);
}

pub async fn the_list_of_an_empty_conversation_ends_at_once(store: Arc<dyn Store>) {
    let (conversation, _) = chat(&store, 1, 1).await;
    let all = read_all(&store, conversation.id, PageRequest::first(10)).await;
    assert_eq!(all, []);
}

pub async fn the_list_holds_the_messages_of_its_conversation_only(store: Arc<dyn Store>) {
    chat_with(&store, 1, 1, numbered(1..=3)).await;
    let other = conversation_id(1, 2);
    let messages = (4..=6).map(|number| message(other, number)).collect();
    chat_with(&store, 1, 2, messages).await;
    let all = read_all(&store, other, PageRequest::first(2)).await;
    assert_eq!(all, ids([6, 5, 4]));
}

pub async fn messages_added_while_pages_are_read_appear_at_most_once(store: Arc<dyn Store>) {
    let (conversation, mut revision) =
        chat_with(&store, 1, 1, numbered((1..=20).map(|number| number * 10))).await;
    let mut seen = Vec::new();
    let mut page = PageRequest::first(3);
    // Around each page boundary: newer than all, between, and older than all.
    for added in [901, 165, 902, 95, 903, 5] {
        let answer = store.messages(conversation.id, &page).await.unwrap();
        seen.extend(answer.items.iter().map(|message| message.id));
        let change = adding(&conversation, numbered([added])).into();
        revision = store.commit(&change, Some(revision)).await.unwrap();
        page = PageRequest::after(3, answer.next.expect("more to come"));
    }
    seen.extend(read_all(&store, conversation.id, page).await);
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "{seen:?}");
    for old in (1..=20).map(|number| message_id(number * 10)) {
        assert!(seen.contains(&old), "{old} is missing");
    }
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
}

pub async fn a_cursor_can_be_used_again(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=6)).await;
    let first = store
        .messages(conversation.id, &PageRequest::first(2))
        .await
        .unwrap();
    let page = PageRequest::after(2, first.next.unwrap());
    let once = store.messages(conversation.id, &page).await.unwrap();
    let again = store.messages(conversation.id, &page).await.unwrap();
    assert_eq!(once, again);
}

pub async fn a_cursor_outlives_its_own_text(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=4)).await;
    let first = store
        .messages(conversation.id, &PageRequest::first(2))
        .await
        .unwrap();
    // As it is after a round trip through a web page.
    let text = first.next.unwrap().to_string();
    let page = PageRequest::after(10, Cursor::new(text));
    let rest = read_all(&store, conversation.id, page).await;
    assert_eq!(rest, ids([2, 1]));
}

pub async fn a_cursor_that_is_none_is_refused(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=4)).await;
    let long = "9".repeat(10_000);
    for text in [
        "",
        "0",
        "nonsense",
        "💌",
        "a/b/c/d",
        "-1",
        "' OR 1=1 --",
        &long,
    ] {
        let page = PageRequest::after(2, Cursor::new(text));
        let refused = store.messages(conversation.id, &page).await;
        assert!(
            matches!(refused, Err(StoreError::InvalidCursor)),
            "{text:.20}: {refused:?}"
        );
    }
}

pub async fn a_cursor_of_another_conversation_is_refused(store: Arc<dyn Store>) {
    let (conversation, _) = chat_with(&store, 1, 1, numbered(1..=4)).await;
    let page = store
        .messages(conversation.id, &PageRequest::first(2))
        .await
        .unwrap();
    let foreign = PageRequest::after(2, page.next.unwrap());
    // Another fan of the creator, and the same fan of another creator.
    for (creator, fan) in [(1, 2), (2, 1)] {
        let id = conversation_id(creator, fan);
        let messages = (1..=4).map(|number| message(id, 100 + number)).collect();
        chat_with(&store, creator, fan, messages).await;
        let refused = store.messages(id, &foreign).await;
        assert!(
            matches!(refused, Err(StoreError::InvalidCursor)),
            "{refused:?}"
        );
    }
}
