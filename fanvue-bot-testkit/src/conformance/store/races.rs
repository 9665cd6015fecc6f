//! Concurrent commits: exactly one wins, none is lost, nobody sees half of one.

use std::sync::Arc;

use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::Versioned;
use fanvue_bot_core::store::{Change, ConversationChange, Store, StoreError};
use tokio::task::JoinSet;

use super::given::{
    account_id, adding, chat, conversation, conversation_id, creator, creator_id, message,
    message_id, onboard,
};

const RIVALS: u32 = 16;

/// Commits all at once and answers with the indexes of those that won; the others must conflict.
async fn race(store: &Arc<dyn Store>, changes: Vec<Change>, expected: Option<u64>) -> Vec<usize> {
    let expected = expected.map(fanvue_bot_core::revision::Revision::new);
    let mut rivals = JoinSet::new();
    for (index, change) in changes.into_iter().enumerate() {
        let store = Arc::clone(store);
        rivals.spawn(async move { (index, store.commit(&change, expected).await) });
    }
    let mut winners = Vec::new();
    for (index, result) in rivals.join_all().await {
        match result {
            Ok(_) => winners.push(index),
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    winners
}

pub async fn of_concurrent_first_commits_exactly_one_wins(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let id = conversation_id(1, 1);
    let changes = (0..RIVALS)
        .map(|number| adding(&conversation(1, 1), vec![message(id, number)]).into())
        .collect();
    let winners = race(&store, changes, None).await;
    assert_eq!(winners.len(), 1);
    let page = store.messages(id, &PageRequest::first(100)).await.unwrap();
    assert_eq!(page.items.len(), 1, "a loser left a message");
    let winner = u32::try_from(winners[0]).unwrap();
    assert_eq!(page.items[0].id, message_id(winner));
}

pub async fn of_concurrent_commits_on_one_revision_exactly_one_wins(store: Arc<dyn Store>) {
    let (conversation, revision) = chat(&store, 1, 1).await;
    let changes = (0..RIVALS)
        .map(|number| {
            let mut next = conversation.clone();
            next.last_turn = TurnId::new(u64::from(number));
            adding(&next, vec![message(conversation.id, number)]).into()
        })
        .collect();
    let winners = race(&store, changes, Some(revision.number())).await;
    assert_eq!(winners.len(), 1);
    let winner = u32::try_from(winners[0]).unwrap();
    let state = store.conversation(conversation.id).await.unwrap().unwrap();
    assert_eq!(state.value.last_turn, TurnId::new(u64::from(winner)));
    let page = store
        .messages(conversation.id, &PageRequest::first(100))
        .await
        .unwrap();
    assert_eq!(page.items, [message(conversation.id, winner)]);
}

pub async fn of_creators_who_take_one_account_at_once_exactly_one_gets_it(store: Arc<dyn Store>) {
    let changes = (0..RIVALS)
        .map(|number| creator(number).account(account_id(99)).into())
        .collect();
    let winners = race(&store, changes, None).await;
    assert_eq!(winners.len(), 1);
    let winner = creator_id(u32::try_from(winners[0]).unwrap());
    let owner = store.creator_by_account(account_id(99)).await.unwrap();
    assert_eq!(owner.unwrap().value.id, winner);
    for number in 0..RIVALS {
        let exists = store.creator(creator_id(number)).await.unwrap().is_some();
        assert_eq!(exists, creator_id(number) == winner);
    }
}

pub async fn commits_to_different_conversations_all_win(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    onboard(&store, 2).await;
    let changes = (0..RIVALS)
        .map(|number| {
            let conversation = conversation(1 + number % 2, number);
            // The same message id in both tenants.
            let message = message(conversation.id, number / 2);
            adding(&conversation, vec![message]).into()
        })
        .collect();
    let winners = race(&store, changes, None).await;
    assert_eq!(winners.len(), RIVALS as usize);
}

pub async fn no_commit_is_lost_when_losers_read_again(store: Arc<dyn Store>) {
    let (conversation, _) = chat(&store, 1, 1).await;
    let id = conversation.id;
    let mut writers = JoinSet::new();
    for writer in 0..8_u32 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for round in 0..10 {
                loop {
                    let read = store.conversation(id).await.unwrap().unwrap();
                    let mut next = read.value;
                    next.last_turn = next.last_turn.next();
                    let row = message(id, writer * 10 + round);
                    let change = adding(&next, vec![row]).into();
                    match store.commit(&change, Some(read.revision)).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let state = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(state.value.last_turn, TurnId::new(80));
    let page = store.messages(id, &PageRequest::first(100)).await.unwrap();
    assert_eq!(page.items.len(), 80);
}

pub async fn readers_never_see_half_a_change(store: Arc<dyn Store>) {
    let (conversation, mut revision) = chat(&store, 1, 1).await;
    let id = conversation.id;
    let reader = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let before = store.conversation(id).await.unwrap().unwrap();
                let page = store.messages(id, &PageRequest::first(200)).await.unwrap();
                let after = store.conversation(id).await.unwrap().unwrap();
                let turns = usize::try_from(before.value.last_turn.number()).unwrap();
                assert!(page.items.len() >= turns * 2, "a message is missing");
                if before.revision == after.revision {
                    assert_eq!(page.items.len(), turns * 2, "a message is early");
                }
                if turns == 40 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let mut next = conversation;
    for number in 0..40 {
        next.last_turn = next.last_turn.next();
        let rows = vec![message(id, number * 2), message(id, number * 2 + 1)];
        let change = adding(&next, rows).into();
        revision = store.commit(&change, Some(revision)).await.unwrap();
    }
    reader.await.unwrap();
}

pub async fn a_read_sees_every_commit_that_has_returned(store: Arc<dyn Store>) {
    let (conversation, mut revision) = chat(&store, 1, 1).await;
    for number in 0..50_u32 {
        let mut next = conversation.clone();
        next.last_turn = TurnId::new(u64::from(number));
        let change = ConversationChange::new(next.clone()).into();
        revision = store.commit(&change, Some(revision)).await.unwrap();
        let reader = Arc::clone(&store);
        let id = conversation.id;
        let read = tokio::spawn(async move { reader.conversation(id).await.unwrap() });
        assert_eq!(read.await.unwrap(), Some(Versioned::new(next, revision)));
    }
}
