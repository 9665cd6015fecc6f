//! Changes: what they do to stored rows, and that a bad one does nothing at all.

use std::sync::Arc;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::id::{ConversationId, MessageId, TurnId};
use fanvue_bot_core::message::{Content, Message, TokenCount};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{Change, ContentUpdate, ConversationChange, Store, StoreError};

use super::given::{adding, at, chat, chat_with, conversation_id, media_id, message, message_id};

async fn stored(store: &dyn Store, id: ConversationId, number: u32) -> Option<Message> {
    store.message(id, message_id(number)).await.unwrap()
}

fn decided(turn: u64) -> Decision {
    Decision::new(
        Outcome::Replied {
            turn: TurnId::new(turn),
        },
        at(turn),
    )
}

fn update(number: u32, text: &str) -> ContentUpdate {
    ContentUpdate {
        message: message_id(number),
        content: Content::text(text),
        tokens: None,
    }
}

pub async fn a_change_without_rows_moves_the_state_alone(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let before = message(id, 1);
    let (mut conversation, revision) = chat_with(&store, 1, 1, vec![before.clone()]).await;
    conversation.opted_out = true;
    let change = ConversationChange::new(conversation.clone()).into();
    let revision = store.commit(&change, Some(revision)).await.unwrap();
    assert_eq!(
        store.conversation(id).await.unwrap(),
        Some(Versioned::new(conversation, revision))
    );
    assert_eq!(stored(&store, id, 1).await, Some(before));
}

pub async fn a_conversation_may_be_added_with_its_first_messages(store: Arc<dyn Store>) {
    super::given::onboard(&store, 1).await;
    let conversation = super::given::conversation(1, 1);
    let id = conversation.id;
    let change = adding(&conversation, vec![message(id, 1), message(id, 2)]);
    store.commit(&change.into(), None).await.unwrap();
    assert_eq!(stored(&store, id, 1).await, Some(message(id, 1)));
    assert_eq!(stored(&store, id, 2).await, Some(message(id, 2)));
}

pub async fn a_content_update_changes_words_and_tokens_and_nothing_else(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut expected = message(id, 1);
    expected.content = Content::default();
    expected.turn = Some(TurnId::new(5));
    expected.decision = Some(decided(5));
    let neighbor = message(id, 2);
    let (conversation, revision) =
        chat_with(&store, 1, 1, vec![expected.clone(), neighbor.clone()]).await;
    expected.content = Content {
        text: Some("now we know".into()),
        media: vec![media_id(1)],
        has_media: true,
        price: Some(Cents::new(300)),
        fetched: true,
    };
    expected.tokens = Some(TokenCount {
        tokenizer: 1,
        tokens: 3,
    });
    let mut change = ConversationChange::new(conversation);
    change.contents = vec![ContentUpdate {
        message: expected.id,
        content: expected.content.clone(),
        tokens: expected.tokens,
    }];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    assert_eq!(stored(&store, id, 1).await, Some(expected));
    assert_eq!(stored(&store, id, 2).await, Some(neighbor));
}

pub async fn a_content_update_can_take_everything_away(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut expected = message(id, 1);
    expected.content.media = vec![media_id(1)];
    expected.content.price = Some(Cents::new(300));
    expected.tokens = Some(TokenCount {
        tokenizer: 1,
        tokens: 3,
    });
    let (conversation, revision) = chat_with(&store, 1, 1, vec![expected.clone()]).await;
    expected.content = Content::default();
    expected.tokens = None;
    let mut change = ConversationChange::new(conversation);
    change.contents = vec![ContentUpdate {
        message: expected.id,
        content: Content::default(),
        tokens: None,
    }];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    assert_eq!(stored(&store, id, 1).await, Some(expected));
}

pub async fn a_decision_lands_on_a_stored_and_on_a_new_message(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (conversation, revision) =
        chat_with(&store, 1, 1, vec![message(id, 1), message(id, 2)]).await;
    let mut change = adding(&conversation, vec![message(id, 3)]);
    change.decisions = vec![(message_id(1), decided(1)), (message_id(3), decided(3))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    for (number, decision) in [(1, Some(decided(1))), (2, None), (3, Some(decided(3)))] {
        let mut expected = message(id, number);
        expected.decision = decision;
        assert_eq!(stored(&store, id, number).await, Some(expected));
    }
}

pub async fn the_last_decision_on_a_message_counts(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut carried = message(id, 2);
    carried.decision = Some(decided(1));
    let (conversation, revision) = chat_with(&store, 1, 1, vec![message(id, 1)]).await;
    let mut change = adding(&conversation, vec![carried]);
    change.decisions = vec![
        (message_id(1), decided(1)),
        (message_id(2), decided(2)),
        (message_id(1), decided(3)),
        (message_id(1), decided(2)),
    ];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    for number in [1, 2] {
        let found = stored(&store, id, number).await.unwrap();
        assert_eq!(found.decision, Some(decided(2)), "of message {number}");
    }
}

pub async fn a_later_decision_replaces_an_earlier_one(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (conversation, mut revision) = chat_with(&store, 1, 1, vec![message(id, 1)]).await;
    for turn in [3, 1] {
        let mut change = ConversationChange::new(conversation.clone());
        change.decisions = vec![(message_id(1), decided(turn))];
        revision = store.commit(&change.into(), Some(revision)).await.unwrap();
        let found = stored(&store, id, 1).await.unwrap();
        assert_eq!(found.decision, Some(decided(turn)));
    }
}

pub async fn hundreds_of_updates_and_decisions_fit_in_one_change(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let messages: Vec<Message> = (1..=500).map(|number| message(id, number)).collect();
    let (conversation, revision) = chat_with(&store, 1, 1, messages).await;
    let mut change = ConversationChange::new(conversation);
    change.contents = (1..=500).map(|number| update(number, "new")).collect();
    change.decisions = (1..=500)
        .map(|number| (message_id(number), decided(u64::from(number))))
        .collect();
    store.commit(&change.into(), Some(revision)).await.unwrap();
    let page = store.messages(id, &PageRequest::first(500)).await.unwrap();
    assert!(
        page.items.iter().all(|message| {
            message.content == Content::text("new") && message.decision.is_some()
        })
    );
    let last = stored(&store, id, 500).await.unwrap();
    assert_eq!(last.decision, Some(decided(500)));
}

/// A conversation with messages 1 and 2, and a change of it that is good so far: new state, new
/// message 3, new words for 1, a decision on 2.
struct Scene {
    id: ConversationId,
    before: Versioned<Conversation>,
    good: ConversationChange,
}

async fn scene(store: &dyn Store) -> Scene {
    let id = conversation_id(1, 1);
    let (conversation, revision) =
        chat_with(store, 1, 1, vec![message(id, 1), message(id, 2)]).await;
    let mut moved = conversation.clone();
    moved.opted_out = true;
    let mut good = adding(&moved, vec![message(id, 3)]);
    good.contents = vec![update(1, "changed")];
    good.decisions = vec![(message_id(2), decided(2))];
    Scene {
        id,
        before: Versioned::new(conversation, revision),
        good,
    }
}

impl Scene {
    /// Commits `change`, expects it to be refused and nothing to be changed.
    async fn refused(
        &self,
        store: &dyn Store,
        change: ConversationChange,
        expected: Option<Revision>,
    ) -> StoreError {
        let refused = store.commit(&Change::from(change), expected).await;
        self.assert_unchanged(store).await;
        match refused {
            Ok(revision) => panic!("committed as {revision}"),
            Err(error) => error,
        }
    }

    async fn assert_unchanged(&self, store: &dyn Store) {
        assert_eq!(
            store.conversation(self.id).await.unwrap().as_ref(),
            Some(&self.before)
        );
        let page = store
            .messages(self.id, &PageRequest::first(100))
            .await
            .unwrap();
        assert_eq!(page.items, [message(self.id, 2), message(self.id, 1)]);
    }
}

fn assert_conflict(error: &StoreError) {
    assert!(matches!(error, StoreError::Conflict), "{error:?}");
}

fn assert_rejected(error: &StoreError) {
    match error {
        StoreError::Rejected { reason } => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
}

pub async fn a_good_change_of_everything_is_made(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let revision = Some(scene.before.revision);
    store.commit(&scene.good.into(), revision).await.unwrap();
    let first = stored(&store, scene.id, 1).await.unwrap();
    assert_eq!(first.content, Content::text("changed"));
    let second = stored(&store, scene.id, 2).await.unwrap();
    assert_eq!(second.decision, Some(decided(2)));
    assert!(stored(&store, scene.id, 3).await.is_some());
}

pub async fn a_stale_change_changes_nothing(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    for expected in [
        None,
        Some(Revision::FIRST),
        Some(scene.before.revision.next()),
    ] {
        let error = scene.refused(&store, scene.good.clone(), expected).await;
        assert_conflict(&error);
    }
}

pub async fn a_new_message_that_exists_conflicts_and_changes_nothing(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    for number in [1, 2] {
        let mut change = scene.good.clone();
        change.messages.push(message(scene.id, number));
        let error = scene
            .refused(&store, change, Some(scene.before.revision))
            .await;
        assert_conflict(&error);
    }
}

pub async fn a_new_message_that_exists_conflicts_also_when_sent_at_another_time(
    store: Arc<dyn Store>,
) {
    let scene = scene(&store).await;
    let mut change = scene.good.clone();
    let mut again = message(scene.id, 1);
    again.sent_at = at(1_000);
    change.messages.push(again);
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert_conflict(&error);
}

pub async fn a_message_that_is_new_twice_is_refused(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let mut change = scene.good.clone();
    change.messages.push(message(scene.id, 3));
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert!(
        matches!(error, StoreError::Rejected { .. } | StoreError::Conflict),
        "{error:?}"
    );
}

pub async fn a_message_of_another_fan_is_rejected(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let (other, _) = chat(&store, 1, 2).await;
    let mut change = scene.good.clone();
    change.messages.push(message(other.id, 4));
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert_rejected(&error);
    assert_eq!(stored(&store, other.id, 4).await, None);
}

pub async fn a_message_of_another_creator_is_rejected(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let (other, _) = chat(&store, 2, 1).await;
    let mut change = scene.good.clone();
    change.messages.push(message(other.id, 4));
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert_rejected(&error);
    assert_eq!(stored(&store, other.id, 4).await, None);
}

pub async fn a_decision_on_an_unknown_message_is_rejected(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let mut change = scene.good.clone();
    change.decisions.push((message_id(9), decided(1)));
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert_rejected(&error);
}

pub async fn a_content_update_of_an_unknown_message_is_rejected(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let mut change = scene.good.clone();
    change.contents.push(update(9, "changed"));
    let error = scene
        .refused(&store, change, Some(scene.before.revision))
        .await;
    assert_rejected(&error);
}

pub async fn a_message_of_another_conversation_is_unknown_to_a_change(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    for (creator, fan) in [(1, 2), (2, 1)] {
        let id = conversation_id(creator, fan);
        chat_with(&store, creator, fan, vec![message(id, 20)]).await;
        let foreign: MessageId = message_id(20);

        let mut change = scene.good.clone();
        change.decisions.push((foreign, decided(1)));
        let error = scene
            .refused(&store, change, Some(scene.before.revision))
            .await;
        assert_rejected(&error);

        let mut change = scene.good.clone();
        change.contents.push(update(20, "changed"));
        let error = scene
            .refused(&store, change, Some(scene.before.revision))
            .await;
        assert_rejected(&error);

        assert_eq!(stored(&store, id, 20).await, Some(message(id, 20)));
    }
}

pub async fn a_bad_first_change_adds_no_conversation(store: Arc<dyn Store>) {
    super::given::onboard(&store, 1).await;
    let conversation = super::given::conversation(1, 1);
    let id = conversation.id;
    let mut change = adding(&conversation, vec![message(id, 1)]);
    change.decisions = vec![(message_id(9), decided(1))];
    let refused = store.commit(&change.into(), None).await;
    assert_rejected(&refused.unwrap_err());
    assert_eq!(store.conversation(id).await.unwrap(), None);
    assert_eq!(stored(&store, id, 1).await, None);
}

pub async fn a_refused_change_can_be_mended_and_made(store: Arc<dyn Store>) {
    let scene = scene(&store).await;
    let mut bad = scene.good.clone();
    bad.decisions.push((message_id(9), decided(1)));
    scene
        .refused(&store, bad, Some(scene.before.revision))
        .await;
    let revision = Some(scene.before.revision);
    store.commit(&scene.good.into(), revision).await.unwrap();
}
