//! Sealed tenants: the same ids under two creators are different rows.

use std::sync::Arc;

use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::Versioned;
use fanvue_bot_core::store::{ContentUpdate, ConversationChange, Store};

use super::given::{at, chat, chat_with, conversation_id, fan_id, message, message_id, onboard};

pub async fn the_same_fan_has_a_conversation_with_each_creator(store: Arc<dyn Store>) {
    let (first, first_revision) = chat(&store, 1, 1).await;
    let (second, second_revision) = chat(&store, 2, 1).await;
    let mut moved = first.clone();
    moved.opted_out = true;
    let change = ConversationChange::new(moved.clone()).into();
    let moved_revision = store.commit(&change, Some(first_revision)).await.unwrap();
    assert_eq!(
        store.conversation(first.id).await.unwrap(),
        Some(Versioned::new(moved, moved_revision))
    );
    assert_eq!(
        store.conversation(second.id).await.unwrap(),
        Some(Versioned::new(second, second_revision))
    );
}

pub async fn the_same_message_id_under_two_creators_is_two_messages(store: Arc<dyn Store>) {
    let ids = [conversation_id(1, 1), conversation_id(2, 1)];
    let mut expected = ids.map(|id| message(id, 1));
    expected[0].content = Content::text("for the first");
    expected[1].content = Content::text("for the second");
    let (first, revision) = chat_with(&store, 1, 1, vec![expected[0].clone()]).await;
    chat_with(&store, 2, 1, vec![expected[1].clone()]).await;

    let mut change = ConversationChange::new(first);
    change.contents = vec![ContentUpdate {
        message: message_id(1),
        content: Content::text("changed"),
        tokens: None,
    }];
    change.decisions = vec![(message_id(1), Decision::new(Outcome::OptedOut, at(3)))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    expected[0].content = Content::text("changed");
    expected[0].decision = Some(Decision::new(Outcome::OptedOut, at(3)));

    for (id, expected) in ids.into_iter().zip(expected) {
        let page = store.messages(id, &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items, std::slice::from_ref(&expected));
        assert_eq!(
            store.message(id, message_id(1)).await.unwrap(),
            Some(expected)
        );
    }
}

/// Tells the conversation of creator `creator` with fan 1 that the fan goes by `name`.
async fn chat_with_named(store: &dyn Store, creator: u32, name: &str) -> FanProfile {
    let (state, revision) = chat(store, creator, 1).await;
    let mut fan = FanProfile::new(fan_id(1));
    fan.nickname = Some(name.into());
    let mut change = ConversationChange::new(state);
    change.fan = Some(fan.clone());
    store.commit(&change.into(), Some(revision)).await.unwrap();
    fan
}

pub async fn the_same_fan_is_known_to_each_creator_by_other_names(store: Arc<dyn Store>) {
    let first = chat_with_named(&store, 1, "Benny").await;
    chat(&store, 3, 1).await;
    for creator in [2, 3] {
        let id = conversation_id(creator, 1);
        assert_eq!(store.fan(id).await.unwrap(), None);
    }
    let second = chat_with_named(&store, 2, "B.").await;
    for (creator, fan) in [(1, first), (2, second)] {
        let id = conversation_id(creator, 1);
        assert_eq!(store.fan(id).await.unwrap(), Some(fan));
    }
}

pub async fn a_deletion_of_one_creator_leaves_the_message_of_another(store: Arc<dyn Store>) {
    let id = conversation_id(2, 1);
    let (state, revision) = chat_with(&store, 1, 1, vec![message(conversation_id(1, 1), 1)]).await;
    chat_with(&store, 2, 1, vec![message(id, 1)]).await;
    let mut change = ConversationChange::new(state);
    change.deletions = vec![(message_id(1), at(60))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    let stored = store.message(id, message_id(1)).await.unwrap();
    assert_eq!(stored, Some(message(id, 1)));
}

pub async fn no_read_returns_another_creators_row(store: Arc<dyn Store>) {
    let owned = conversation_id(1, 1);
    chat_with(&store, 1, 1, vec![message(owned, 1)]).await;
    onboard(&store, 2).await;
    // The other tenant asks with the right fan and the right message, the third does not even exist.
    for stranger in [2, 3] {
        let id = conversation_id(stranger, 1);
        assert_eq!(store.conversation(id).await.unwrap(), None);
        assert_eq!(store.message(id, message_id(1)).await.unwrap(), None);
        let page = store.messages(id, &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items, []);
    }
}

pub async fn no_read_returns_another_fans_row(store: Arc<dyn Store>) {
    let owned = conversation_id(1, 1);
    chat_with(&store, 1, 1, vec![message(owned, 1)]).await;
    chat(&store, 1, 2).await;
    for stranger in [2, 3] {
        let id = conversation_id(1, stranger);
        assert_eq!(store.message(id, message_id(1)).await.unwrap(), None);
        let page = store.messages(id, &PageRequest::first(10)).await.unwrap();
        assert_eq!(page.items, []);
    }
}

pub async fn a_commit_of_one_creator_leaves_the_others_as_they_are(store: Arc<dyn Store>) {
    let first = onboard(&store, 1).await;
    let second = onboard(&store, 2).await;
    let mut changed = super::given::creator(1);
    changed.account = None;
    store.commit(&changed.into(), Some(first)).await.unwrap();
    assert_eq!(
        store.creator(super::given::creator_id(2)).await.unwrap(),
        Some(Versioned::new(super::given::creator(2), second))
    );
}
