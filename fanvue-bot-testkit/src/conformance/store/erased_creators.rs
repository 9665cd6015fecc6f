//! Erasing what is held of one creator.

use std::sync::Arc;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::store::{ConversationChange, Erased, Store, StoreError};

use super::given::{
    account_id, adding, chat_with, conversation_id, creator, creator_id, fan_id, far, message,
    onboard, transaction,
};

/// Two fans of this creator, each with a name, these messages and a transaction, and due at once.
async fn known(store: &dyn Store, creator: u32, numbers: &[u32]) {
    for fan in [1, 2] {
        let id = conversation_id(creator, fan);
        let rows = numbers.iter().map(|number| message(id, *number)).collect();
        let (state, revision) = chat_with(store, creator, fan, rows).await;
        let mut change = adding(&state, vec![]);
        let mut profile = FanProfile::new(fan_id(fan));
        profile.display_name = Some("Sam".into());
        change.fan = Some(profile);
        change.transactions = vec![transaction(id, 1)];
        store.commit(&change.into(), Some(revision)).await.unwrap();
    }
}

/// Erases in parts of `limit`, at most 1,000.
async fn erase(store: &dyn Store, creator: u32, limit: usize) {
    for _ in 1..1_000 {
        if store
            .erase_creator(creator_id(creator), limit)
            .await
            .unwrap()
            == Erased::All
        {
            return;
        }
    }
    panic!("the erasure does not end");
}

/// How many messages, transactions and names are stored of two fans, and how many of both have a state.
async fn held(store: &dyn Store, creator: u32) -> [usize; 4] {
    let page = PageRequest::first(1_000);
    let mut held = [0; 4];
    for fan in [1, 2] {
        let id = conversation_id(creator, fan);
        held[0] += store.messages(id, &page).await.unwrap().items.len();
        held[1] += store.transactions(id, &page).await.unwrap().items.len();
        held[2] += usize::from(store.fan(id).await.unwrap().is_some());
        held[3] += usize::from(store.conversation(id).await.unwrap().is_some());
    }
    held
}

pub async fn a_marked_creator_is_unknown_and_the_account_is_free(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    onboard(&store, 2).await;
    for _ in 0..2 {
        store.mark_erased(creator_id(1)).await.unwrap();
        assert_eq!(store.creator(creator_id(1)).await.unwrap(), None);
        let by_account = store.creator_by_account(account_id(1)).await.unwrap();
        assert_eq!(by_account, None);
        let ids = store.creator_ids(None, 10).await.unwrap();
        assert_eq!(ids, [creator_id(2)]);
    }
    let mut heir = creator(3);
    heir.account = Some(account_id(1));
    store.commit(&heir.into(), None).await.unwrap();
}

pub async fn nothing_new_is_stored_of_a_marked_creator(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let before = store.creator(creator_id(1)).await.unwrap().unwrap();
    store.mark_erased(creator_id(1)).await.unwrap();
    // Nor of one who was never there.
    store.mark_erased(creator_id(2)).await.unwrap();
    for number in [1, 2] {
        let again = store.commit(&creator(number).into(), None).await;
        assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
        let id = conversation_id(number, 1);
        let mut change = ConversationChange::new(Conversation::new(id, Seed::new(1)));
        change.messages = vec![message(id, 1)];
        let added = store.commit(&change.into(), None).await;
        assert!(matches!(added, Err(StoreError::Conflict)), "{added:?}");
        assert_eq!(store.conversation(id).await.unwrap(), None);
    }
    let late = store
        .commit(&before.value.into(), Some(before.revision))
        .await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(store.creator(creator_id(1)).await.unwrap(), None);
}

pub async fn a_creator_who_is_not_marked_is_not_erased(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    known(&*store, 1, &[1, 2]).await;
    for number in [1, 2] {
        let refused = store.erase_creator(creator_id(number), 10).await;
        assert!(
            matches!(refused, Err(StoreError::Rejected { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(held(&*store, 1).await, [4, 2, 2, 2]);
}

pub async fn all_of_a_marked_creator_is_erased_and_nothing_of_others(store: Arc<dyn Store>) {
    for number in [1, 2] {
        onboard(&store, number).await;
        known(&*store, number, &[1, 2, 3]).await;
    }
    store.mark_erased(creator_id(1)).await.unwrap();
    assert_eq!(held(&*store, 1).await, [6, 2, 2, 2]);
    erase(&*store, 1, 100).await;
    assert_eq!(held(&*store, 1).await, [0; 4]);
    assert_eq!(held(&*store, 2).await, [6, 2, 2, 2]);
    let page = PageRequest::first(10);
    let due = store.due(Some(creator_id(1)), far(), &page).await.unwrap();
    assert_eq!(due.items, []);
    assert_eq!(store.creator_ids(None, 10).await.unwrap(), [creator_id(2)]);
}

pub async fn a_creator_is_erased_in_parts(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    known(&*store, 1, &[1, 2, 3, 4, 5]).await;
    store.mark_erased(creator_id(1)).await.unwrap();
    let first = store.erase_creator(creator_id(1), 3).await.unwrap();
    assert_eq!(first, Erased::Some);
    let [messages, ..] = held(&*store, 1).await;
    assert_eq!(messages, 7);
    erase(&*store, 1, 1).await;
    assert_eq!(held(&*store, 1).await, [0; 4]);
    let again = store.erase_creator(creator_id(1), 1).await.unwrap();
    assert_eq!(again, Erased::All);
}

pub async fn who_worked_on_an_erased_conversation_commits_nothing(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    known(&*store, 1, &[1]).await;
    let id = conversation_id(1, 1);
    let stored = store.conversation(id).await.unwrap().unwrap();
    store.mark_erased(creator_id(1)).await.unwrap();
    erase(&*store, 1, 10).await;
    let change = adding(&stored.value, vec![message(id, 2)]);
    let late = store.commit(&change.into(), Some(stored.revision)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(held(&*store, 1).await, [0; 4]);
}
