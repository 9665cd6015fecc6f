//! Dropped futures: the old state or the new one, never half, and everything goes on.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::id::{ConversationId, TurnId};
use fanvue_bot_core::message::Message;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::Versioned;
use fanvue_bot_core::store::{HolderId, LeaseName, Store, StoreError};

use super::given::{adding, at, chat, creator, creator_id, message, message_id};
use crate::conformance::cut::{CUTS, cut};

/// State and messages of one moment, also while a dropped commit still lands.
async fn look(store: &dyn Store, id: ConversationId) -> (Versioned<Conversation>, Vec<Message>) {
    loop {
        let before = store.conversation(id).await.unwrap().unwrap();
        let page = store.messages(id, &PageRequest::first(500)).await.unwrap();
        let after = store.conversation(id).await.unwrap().unwrap();
        if before.revision == after.revision {
            return (after, page.items);
        }
    }
}

pub async fn a_dropped_commit_leaves_the_old_state_or_the_new_one(store: Arc<dyn Store>) {
    let (mut conversation, _) = chat(&store, 1, 1).await;
    let id = conversation.id;
    let mut number = 0;
    for polls in CUTS {
        let (before, messages) = look(&store, id).await;
        conversation.last_turn = before.value.last_turn.next();
        number += 2;
        let rows = vec![message(id, number), message(id, number + 1)];
        let change = adding(&conversation, rows).into();
        let done = cut(polls, store.commit(&change, Some(before.revision))).await;

        let (after, rows) = look(&store, id).await;
        if after.revision == before.revision {
            assert!(done.is_none(), "done, but not seen");
            assert_eq!(after, before);
            assert_eq!(rows, messages);
        } else {
            assert_eq!(after.value, conversation);
            assert_eq!(rows.len(), messages.len() + 2);
        }
    }
    // Whatever was dropped, the next who reads and commits gets through.
    loop {
        let (newest, _) = look(&store, id).await;
        conversation.last_turn = TurnId::new(1_000);
        let change = adding(&conversation, vec![message(id, 1_000)]).into();
        match store.commit(&change, Some(newest.revision)).await {
            Ok(_) => break,
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let (newest, rows) = look(&store, id).await;
    assert_eq!(newest.value.last_turn, TurnId::new(1_000));
    assert_eq!(rows[0].id, message_id(1_000));
}

pub async fn a_dropped_first_commit_leaves_nothing_or_everything(store: Arc<dyn Store>) {
    for (number, polls) in (1..).zip(CUTS) {
        let added = creator(number);
        let done = cut(polls, store.commit(&added.clone().into(), None)).await;
        let found = store.creator(creator_id(number)).await.unwrap();
        match found {
            Some(found) => assert_eq!(found.value, added),
            None => assert!(done.is_none(), "done, but not seen"),
        }
    }
}

pub async fn a_dropped_read_changes_nothing(store: Arc<dyn Store>) {
    let (conversation, _) = chat(&store, 1, 1).await;
    let id = conversation.id;
    let before = look(&store, id).await;
    for polls in CUTS {
        drop(cut(polls, store.creator(id.creator)).await);
        drop(cut(polls, store.creator_by_account(super::given::account_id(1))).await);
        drop(cut(polls, store.conversation(id)).await);
        drop(cut(polls, store.messages(id, &PageRequest::first(3))).await);
        drop(cut(polls, store.message(id, message_id(1))).await);
    }
    assert_eq!(look(&store, id).await, before);
}

pub async fn a_dropped_taking_of_a_lease_leaves_it_free_or_held(store: Arc<dyn Store>) {
    let ttl = Duration::from_secs(600);
    for polls in CUTS {
        let name = LeaseName::new(format!("lease-{polls}"));
        let holder = HolderId::new("dropped");
        let taking = store.acquire_lease(&name, &holder, at(0), ttl);
        drop(cut(polls, taking).await);
        // Either way the same holder, who does not know, can take it.
        let lease = store.acquire_lease(&name, &holder, at(1), ttl).await;
        assert!(lease.unwrap().is_some());
    }
}

pub async fn a_dropped_release_leaves_the_lease_held_or_free(store: Arc<dyn Store>) {
    let ttl = Duration::from_secs(600);
    for polls in CUTS {
        let name = LeaseName::new(format!("lease-{polls}"));
        let holder = HolderId::new("dropped");
        let lease = store.acquire_lease(&name, &holder, at(0), ttl).await;
        drop(cut(polls, store.release_lease(lease.unwrap().unwrap())).await);
        let lease = store.acquire_lease(&name, &holder, at(1), ttl).await;
        assert!(lease.unwrap().is_some());
    }
}
