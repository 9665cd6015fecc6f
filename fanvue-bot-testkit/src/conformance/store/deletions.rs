//! Deleted messages: what they said is gone for good, that they were there is not.

use std::sync::Arc;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::id::{ConversationId, MessageId, TurnId};
use fanvue_bot_core::message::{Author, Content, Message, MessageType, TokenCount};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{ContentUpdate, ConversationChange, Store, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::given::{
    adding, at, chat, chat_with, conversation_id, media_id, message, message_id, odd_times,
};

/// A message with something in every field.
fn full(id: ConversationId, number: u32) -> Message {
    let mut full = message(id, number);
    full.author = Author::Bot;
    full.kind = MessageType::from_wire("CHAT_TEXT_REPLY");
    full.content.media = vec![media_id(1)];
    full.content.has_media = true;
    full.content.price = Some(Cents::new(1_500));
    full.tokens = Some(TokenCount {
        tokenizer: 1,
        tokens: 3,
    });
    full.turn = Some(TurnId::new(5));
    full.decision = Some(Decision::new(Outcome::OptedOut, at(2)));
    full
}

/// `message` as it is stored once it is deleted.
fn deleted(message: &Message, at: Timestamp) -> Message {
    Message {
        content: Content {
            fetched: true,
            ..Content::default()
        },
        tokens: None,
        deleted_at: Some(at),
        ..message.clone()
    }
}

fn deleting(
    conversation: &Conversation,
    deletions: impl IntoIterator<Item = (u32, Timestamp)>,
) -> ConversationChange {
    let mut change = ConversationChange::new(conversation.clone());
    change.deletions = deletions
        .into_iter()
        .map(|(number, at)| (message_id(number), at))
        .collect();
    change
}

fn update(number: u32) -> ContentUpdate {
    ContentUpdate {
        message: message_id(number),
        content: Content {
            media: vec![media_id(3)],
            has_media: true,
            price: Some(Cents::new(1)),
            ..Content::text("back again")
        },
        tokens: Some(TokenCount {
            tokenizer: 1,
            tokens: 2,
        }),
    }
}

async fn commit(store: &dyn Store, change: ConversationChange, expected: Revision) -> Revision {
    store.commit(&change.into(), Some(expected)).await.unwrap()
}

/// Expects `expected` to be read, alone and in the list, which has nothing else in it.
async fn assert_stored(store: &dyn Store, id: ConversationId, expected: &[Message]) {
    let page = store.messages(id, &PageRequest::first(500)).await.unwrap();
    assert_eq!(page.items, expected);
    for expected in expected {
        let alone = store.message(id, expected.id).await.unwrap();
        assert_eq!(alone.as_ref(), Some(expected));
    }
}

pub async fn a_deleted_message_loses_what_it_says_and_nothing_else(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (before, neighbor) = (full(id, 1), full(id, 2));
    let (chat, revision) = chat_with(&store, 1, 1, vec![before.clone(), neighbor.clone()]).await;
    commit(&store, deleting(&chat, [(1, at(60))]), revision).await;
    assert_stored(&store, id, &[neighbor, deleted(&before, at(60))]).await;
}

pub async fn deleted_messages_are_listed_in_their_places(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let messages: Vec<Message> = (1..=5).map(|number| message(id, number)).collect();
    let (chat, revision) = chat_with(&store, 1, 1, messages).await;
    commit(&store, deleting(&chat, [(2, at(9)), (5, at(8))]), revision).await;
    let mut seen = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let answer = store.messages(id, &page).await.unwrap();
        seen.extend(answer.items.into_iter().map(|message| message.id));
        match answer.next {
            Some(next) => page = PageRequest::after(2, next),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(message_id));
}

pub async fn a_message_may_be_new_and_deleted_in_one_change(store: Arc<dyn Store>) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let new = full(chat.id, 1);
    let mut change = deleting(&chat, [(1, at(60))]);
    change.messages = vec![new.clone()];
    commit(&store, change, revision).await;
    assert_stored(&store, chat.id, &[deleted(&new, at(60))]).await;
}

pub async fn a_message_that_was_deleted_before_it_came_in_is_stored_without_words(
    store: Arc<dyn Store>,
) {
    let (chat, revision) = chat(&store, 1, 1).await;
    let mut empty = message(chat.id, 1);
    empty.content = Content::default();
    empty.deleted_at = Some(at(60));
    let mut wordy = full(chat.id, 2);
    wordy.deleted_at = Some(at(70));
    let change = adding(&chat, vec![empty.clone(), wordy.clone()]);
    commit(&store, change, revision).await;
    let expected = [deleted(&wordy, at(70)), deleted(&empty, at(60))];
    assert_stored(&store, chat.id, &expected).await;
}

pub async fn odd_times_of_a_deletion_read_back(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let messages: Vec<Message> = (1..)
        .zip(odd_times())
        .map(|(n, _)| message(id, n))
        .collect();
    let (chat, revision) = chat_with(&store, 1, 1, messages.clone()).await;
    let change = deleting(&chat, (1..).zip(odd_times()));
    commit(&store, change, revision).await;
    let mut expected: Vec<Message> = messages
        .iter()
        .zip(odd_times())
        .map(|(message, at)| deleted(message, at))
        .collect();
    expected.reverse();
    assert_stored(&store, id, &expected).await;
}

pub async fn deleting_again_changes_nothing(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let before = full(id, 1);
    let (chat, mut revision) = chat_with(&store, 1, 1, vec![before.clone()]).await;
    for _ in 0..3 {
        let change = deleting(&chat, [(1, at(60)), (1, at(60))]);
        revision = commit(&store, change, revision).await;
        assert_stored(&store, id, &[deleted(&before, at(60))]).await;
    }
}

pub async fn the_earliest_time_of_a_deletion_counts(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let before = full(id, 1);
    let (chat, mut revision) = chat_with(&store, 1, 1, vec![before.clone()]).await;
    // In one change, in a later one that knows a later time, and in one that knows an earlier time.
    for (told, known) in [
        (vec![60, 50, 70], 50),
        (vec![80], 50),
        (vec![90, 40], 40),
        (vec![40], 40),
    ] {
        let change = deleting(&chat, told.into_iter().map(|seconds| (1, at(seconds))));
        revision = commit(&store, change, revision).await;
        assert_stored(&store, id, &[deleted(&before, at(known))]).await;
    }
    // And of a message that came in deleted.
    for (number, told, known) in [(2, 60, 50), (3, 40, 40)] {
        let mut new = full(id, number);
        new.deleted_at = Some(at(50));
        let mut change = deleting(&chat, [(number, at(told))]);
        change.messages = vec![new.clone()];
        revision = commit(&store, change, revision).await;
        let stored = store.message(id, new.id).await.unwrap();
        assert_eq!(stored, Some(deleted(&new, at(known))));
    }
}

pub async fn what_a_deleted_message_said_does_not_come_back(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let stored: Vec<Message> = [1, 2].map(|number| full(id, number)).into();
    let (chat, revision) = chat_with(&store, 1, 1, stored.clone()).await;
    let change = deleting(&chat, [(1, at(60))]);
    let revision = commit(&store, change, revision).await;

    // Of one that was deleted before, one that this change deletes, a new one that this change deletes,
    // and one that comes in deleted.
    let mut tombstone = full(id, 4);
    tombstone.deleted_at = Some(at(60));
    let mut change = deleting(&chat, [(2, at(60)), (3, at(60))]);
    change.messages = vec![full(id, 3), tombstone];
    change.contents = (1..=4).map(update).collect();
    let revision = commit(&store, change, revision).await;
    let expected: Vec<Message> = [4, 3, 2, 1]
        .map(|number| deleted(&full(id, number), at(60)))
        .into();
    assert_stored(&store, id, &expected).await;

    let mut change = ConversationChange::new(chat);
    change.contents = (1..=4).map(update).collect();
    commit(&store, change, revision).await;
    assert_stored(&store, id, &expected).await;
}

pub async fn words_beside_a_deleted_message_are_learned(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (chat, revision) = chat_with(&store, 1, 1, vec![full(id, 1), full(id, 2)]).await;
    let mut change = deleting(&chat, [(1, at(60))]);
    change.contents = vec![update(1), update(2)];
    commit(&store, change, revision).await;
    let mut learned = full(id, 2);
    learned.content = update(2).content;
    learned.tokens = update(2).tokens;
    assert_stored(&store, id, &[learned, deleted(&full(id, 1), at(60))]).await;
}

pub async fn a_deleted_message_can_be_decided_on(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (chat, mut revision) = chat_with(&store, 1, 1, vec![message(id, 1)]).await;
    // In the change that deletes it, and in a later one.
    for turn in [1, 2] {
        let decision = Decision::new(
            Outcome::Replied {
                turn: TurnId::new(turn),
            },
            at(turn),
        );
        let mut change = ConversationChange::new(chat.clone());
        if turn == 1 {
            change = deleting(&chat, [(1, at(60))]);
        }
        change.decisions = vec![(message_id(1), decision.clone())];
        revision = commit(&store, change, revision).await;
        let mut expected = deleted(&message(id, 1), at(60));
        expected.decision = Some(decision);
        assert_stored(&store, id, &[expected]).await;
    }
}

pub async fn a_deleted_message_is_not_new_again(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (chat, revision) = chat_with(&store, 1, 1, vec![full(id, 1)]).await;
    let revision = commit(&store, deleting(&chat, [(1, at(60))]), revision).await;
    let again = adding(&chat, vec![full(id, 1)]).into();
    let refused = store.commit(&again, Some(revision)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_stored(&store, id, &[deleted(&full(id, 1), at(60))]).await;
}

pub async fn hundreds_of_deletions_fit_in_one_change(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let messages: Vec<Message> = (1..=500).map(|number| full(id, number)).collect();
    let (chat, revision) = chat_with(&store, 1, 1, messages).await;
    let change = deleting(&chat, (1..=500).map(|number| (number, at(number.into()))));
    commit(&store, change, revision).await;
    let expected: Vec<Message> = (1..=500)
        .rev()
        .map(|number| deleted(&full(id, number), at(number.into())))
        .collect();
    let page = store.messages(id, &PageRequest::first(500)).await.unwrap();
    assert_eq!(page.items, expected);
}

pub async fn a_deletion_of_an_unknown_message_is_rejected(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (chat, revision) = chat_with(&store, 1, 1, vec![full(id, 1)]).await;
    // One that nobody has, and ones that other conversations have.
    let mut strangers: Vec<MessageId> = vec![message_id(9)];
    for (creator, fan, number) in [(1, 2, 20), (2, 1, 21)] {
        let other = conversation_id(creator, fan);
        chat_with(&store, creator, fan, vec![full(other, number)]).await;
        strangers.push(message_id(number));
    }
    for stranger in strangers {
        let mut change = deleting(&chat, [(1, at(60))]);
        change.deletions.push((stranger, at(60)));
        let refused = store.commit(&change.into(), Some(revision)).await;
        match refused {
            Err(StoreError::Rejected { reason }) => assert!(!reason.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_stored(&store, id, &[full(id, 1)]).await;
        assert_eq!(
            store.conversation(id).await.unwrap(),
            Some(Versioned::new(chat.clone(), revision))
        );
    }
    for (creator, fan, number) in [(1, 2, 20), (2, 1, 21)] {
        let other = conversation_id(creator, fan);
        assert_stored(&store, other, &[full(other, number)]).await;
    }
}

pub async fn a_stale_change_deletes_nothing(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let (chat, revision) = chat_with(&store, 1, 1, vec![full(id, 1)]).await;
    for expected in [None, Some(Revision::FIRST), Some(revision.next())] {
        let change = deleting(&chat, [(1, at(60))]).into();
        let refused = store.commit(&change, expected).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
        assert_stored(&store, id, &[full(id, 1)]).await;
    }
}
