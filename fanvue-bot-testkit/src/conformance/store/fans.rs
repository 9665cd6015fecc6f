//! What is known of a conversation's fan.

use std::sync::Arc;

use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{ConversationChange, Store, StoreError};

use super::given::{
    chat, conversation, conversation_id, fan_id, message, message_id, odd_texts, onboard,
};

fn named(number: u32, names: [Option<&str>; 3]) -> FanProfile {
    let [handle, display_name, nickname] = names.map(|name| name.map(Arc::from));
    let mut fan = FanProfile::new(fan_id(number));
    fan.handle = handle;
    fan.display_name = display_name;
    fan.nickname = nickname;
    fan
}

fn telling(id: ConversationId, fan: FanProfile) -> ConversationChange {
    let mut state = conversation(1, 1);
    state.id = id;
    let mut change = ConversationChange::new(state);
    change.fan = Some(fan);
    change
}

/// Commits each profile of the fan of `id` in a change of its own.
async fn tell(
    store: &dyn Store,
    id: ConversationId,
    mut revision: Revision,
    profiles: impl IntoIterator<Item = FanProfile>,
) -> Revision {
    for profile in profiles {
        let change = telling(id, profile).into();
        revision = store.commit(&change, Some(revision)).await.unwrap();
    }
    revision
}

pub async fn nobody_is_known_of_whom_no_change_told(store: Arc<dyn Store>) {
    let (known, _) = chat(&store, 1, 1).await;
    assert_eq!(store.fan(known.id).await.unwrap(), None);
    assert_eq!(store.fan(conversation_id(1, 2)).await.unwrap(), None);
}

pub async fn every_name_of_a_fan_reads_back(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let fan = named(1, [Some("ben_"), Some("Ben"), Some("Benny")]);
    tell(&store, chat.id, revision, [fan.clone()]).await;
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(fan));
}

pub async fn a_fan_may_come_with_the_first_change(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let id = conversation_id(1, 1);
    let fan = named(1, [Some("ben_"), None, None]);
    let change = telling(id, fan.clone()).into();
    store.commit(&change, None).await.unwrap();
    assert_eq!(store.fan(id).await.unwrap(), Some(fan));
}

pub async fn a_fan_of_whom_only_the_id_is_known_reads_back(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    tell(&store, chat.id, revision, [FanProfile::new(fan_id(1))]).await;
    let expected = Some(FanProfile::new(fan_id(1)));
    assert_eq!(store.fan(chat.id).await.unwrap(), expected);
}

pub async fn odd_names_of_a_fan_read_back(store: Arc<dyn Store>) {
    let (chat, mut revision) = chat(&store, 1, 1).await;
    for text in odd_texts() {
        let fan = named(1, [Some(&text), Some(&text), Some(&text)]);
        revision = tell(&store, chat.id, revision, [fan.clone()]).await;
        assert_eq!(store.fan(chat.id).await.unwrap(), Some(fan), "{text:.40?}");
    }
}

pub async fn no_name_and_an_empty_name_are_told_apart(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let fan = named(1, [Some(""), None, Some("Benny")]);
    let revision = tell(&store, chat.id, revision, [fan.clone()]).await;
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(fan));

    tell(
        &store,
        chat.id,
        revision,
        [named(1, [None, None, Some("")])],
    )
    .await;
    let expected = named(1, [Some(""), None, Some("")]);
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(expected));
}

pub async fn what_a_change_does_not_know_of_the_fan_stays(store: Arc<dyn Store>) {
    let (chat, mut revision) = chat(&store, 1, 1).await;
    for (told, known) in [
        ([Some("a"), None, None], [Some("a"), None, None]),
        ([None, Some("b"), None], [Some("a"), Some("b"), None]),
        ([None, None, None], [Some("a"), Some("b"), None]),
        ([None, None, Some("c")], [Some("a"), Some("b"), Some("c")]),
        ([None, None, None], [Some("a"), Some("b"), Some("c")]),
    ] {
        revision = tell(&store, chat.id, revision, [named(1, told)]).await;
        let read = store.fan(chat.id).await.unwrap();
        assert_eq!(read, Some(named(1, known)), "after {told:?}");
    }
}

pub async fn what_a_change_knows_of_the_fan_replaces_what_was_known(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let profiles = [
        named(1, [Some("a"), Some("b"), Some("c")]),
        named(1, [Some("d"), None, Some("e")]),
        named(1, [None, Some("f"), None]),
    ];
    tell(&store, chat.id, revision, profiles).await;
    let expected = named(1, [Some("d"), Some("f"), Some("e")]);
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(expected));
}

pub async fn a_change_without_the_fan_leaves_them(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let fan = named(1, [Some("a"), Some("b"), Some("c")]);
    let revision = tell(&store, chat.id, revision, [fan.clone()]).await;
    let change = ConversationChange::new(chat.clone()).into();
    store.commit(&change, Some(revision)).await.unwrap();
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(fan));
}

pub async fn the_profile_of_another_fan_is_rejected_and_changes_nothing(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let known = named(1, [Some("a"), None, None]);
    let revision = tell(&store, chat.id, revision, [known.clone()]).await;

    let mut change = telling(chat.id, named(2, [Some("b"), None, None]));
    change.messages = vec![message(chat.id, 1)];
    let refused = store.commit(&change.into(), Some(revision)).await;
    match refused {
        Err(StoreError::Rejected { reason }) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.fan(chat.id).await.unwrap(), Some(known));
    assert_eq!(store.fan(conversation_id(1, 2)).await.unwrap(), None);
    let stored = store.message(chat.id, message_id(1)).await.unwrap();
    assert_eq!(stored, None);
    assert_eq!(
        store.conversation(chat.id).await.unwrap(),
        Some(Versioned::new(chat, revision))
    );
}

pub async fn a_refused_change_tells_nothing_of_the_fan(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let mut bad = telling(chat.id, named(1, [Some("a"), None, None]));
    let stale = store.commit(&bad.clone().into(), None).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    bad.messages = vec![message(conversation_id(1, 2), 1)];
    let bad = store.commit(&bad.into(), Some(revision)).await;
    assert!(matches!(bad, Err(StoreError::Rejected { .. })), "{bad:?}");
    assert_eq!(store.fan(chat.id).await.unwrap(), None);
}
