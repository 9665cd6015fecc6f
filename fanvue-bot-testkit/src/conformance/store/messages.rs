//! Messages: every field reads back.

use std::sync::Arc;

use fanvue_bot_core::decision::{Decision, Outcome, Rule, WaitCause};
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::message::{Author, Content, Message, MessageType, TokenCount};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::store::Store;

use super::given::{
    at, chat, chat_with, conversation_id, media_id, message, message_id, odd_texts, odd_times,
};

/// Commits `messages` in one change and expects each to read back alone and in the list.
async fn round_trip(store: &dyn Store, messages: Vec<Message>) {
    chat_with(store, 1, 1, messages.clone()).await;
    let id = conversation_id(1, 1);
    let page = store
        .messages(id, &PageRequest::first(messages.len()))
        .await
        .unwrap();
    for expected in messages {
        let alone = store.message(id, expected.id).await.unwrap();
        assert_eq!(alone.as_ref(), Some(&expected));
        assert_eq!(
            alone.unwrap().content.text,
            expected.content.text,
            "the words"
        );
        assert!(page.items.contains(&expected), "{expected:?} in {page:?}");
    }
}

/// One message for each item, made by `alter`.
fn each<T>(items: impl IntoIterator<Item = T>, alter: impl Fn(&mut Message, T)) -> Vec<Message> {
    (1..)
        .zip(items)
        .map(|(number, item)| {
            let mut message = message(conversation_id(1, 1), number);
            alter(&mut message, item);
            message
        })
        .collect()
}

pub async fn a_message_reads_back_in_every_field(store: Arc<dyn Store>) {
    let mut full = message(conversation_id(1, 1), 1);
    full.author = Author::Bot;
    full.kind = MessageType::from_wire("CHAT_TEXT_REPLY");
    full.content = Content {
        text: Some("look at this".into()),
        media: vec![media_id(2), media_id(1), media_id(2)],
        has_media: true,
        price: Some(Cents::new(1_500)),
        fetched: true,
    };
    full.sent_at = at(10);
    full.stored_at = at(5);
    full.tokens = Some(TokenCount {
        tokenizer: 3,
        tokens: 4,
    });
    full.turn = Some(TurnId::new(12));
    full.decision = Some(Decision::new(Outcome::OptedOut, at(20)));
    round_trip(&store, vec![full]).await;
}

pub async fn a_message_of_nothing_reads_back(store: Arc<dyn Store>) {
    let mut empty = message(conversation_id(1, 1), 1);
    empty.content = Content::default();
    round_trip(&store, vec![empty]).await;
}

pub async fn no_words_and_empty_words_are_told_apart(store: Arc<dyn Store>) {
    let texts = [None, Some("".into())];
    let messages = each(texts, |message, text| message.content.text = text);
    round_trip(&store, messages).await;
}

pub async fn every_author_reads_back(store: Arc<dyn Store>) {
    let authors = [Author::Fan, Author::Bot, Author::Human, Author::Automation];
    let messages = each(authors, |message, author| message.author = author);
    round_trip(&store, messages).await;
}

pub async fn message_types_keep_their_names_also_unknown_ones(store: Arc<dyn Store>) {
    let names = [
        "SINGLE_RECIPIENT",
        "TIP",
        "LOCKED_MESSAGE_UNLOCKED",
        "BROADCAST",
        "AUTOMATED_RENEWED",
        "CHAT_TEXT_REPLY",
        "VOICE_CALL",
        "A_TYPE_OF_NEXT_YEAR",
        "lower case, with 💌",
        "",
    ];
    let messages = each(names, |message, name| {
        message.kind = MessageType::from_wire(name);
    });
    round_trip(&store, messages).await;
}

pub async fn odd_texts_of_a_message_read_back(store: Arc<dyn Store>) {
    let messages = each(odd_texts(), |message, text| {
        message.content = Content::text(text);
    });
    round_trip(&store, messages).await;
}

pub async fn odd_times_of_a_message_read_back(store: Arc<dyn Store>) {
    let messages = each(odd_times(), |message, time| {
        message.sent_at = time;
        message.stored_at = time;
        message.decision = Some(Decision::new(Outcome::OverBudget, time));
    });
    round_trip(&store, messages).await;
}

pub async fn prices_read_back_from_end_to_end(store: Arc<dyn Store>) {
    let prices = [0, 1, 300, -5, i64::MAX, i64::MIN];
    let messages = each(prices, |message, price| {
        message.content.price = Some(Cents::new(price));
    });
    round_trip(&store, messages).await;
}

pub async fn what_is_known_of_media_reads_back(store: Arc<dyn Store>) {
    let known = [
        (vec![], false),
        (vec![], true),
        (vec![media_id(1)], true),
        ((1..=40).rev().map(media_id).collect(), true),
    ];
    let messages = each(known, |message, (media, has_media)| {
        message.content = Content {
            media,
            has_media,
            ..Content::default()
        };
    });
    round_trip(&store, messages).await;
}

pub async fn token_counts_and_turns_read_back_from_end_to_end(store: Arc<dyn Store>) {
    let numbers = [0, 1, u32::MAX];
    let messages = each(numbers, |message, number| {
        message.tokens = Some(TokenCount {
            tokenizer: number,
            tokens: number,
        });
        message.turn = Some(TurnId::new(u64::from(number)));
    });
    round_trip(&store, messages).await;
}

pub async fn every_outcome_reads_back(store: Arc<dyn Store>) {
    let turn = TurnId::new(7);
    let until = at(99);
    let mut outcomes = vec![
        Outcome::Replied { turn },
        Outcome::Merged { turn },
        Outcome::AwaitingApproval { turn },
        Outcome::PausedByHuman { until },
        Outcome::OptedOut,
        Outcome::OverBudget,
    ];
    outcomes.extend(
        [
            WaitCause::Settling,
            WaitCause::Composing,
            WaitCause::Pacing,
            WaitCause::Reconciling,
            WaitCause::Retrying,
            WaitCause::QuietHours,
            WaitCause::RateLimited,
            WaitCause::NotConnected,
            WaitCause::Deployment,
        ]
        .map(|cause| Outcome::Waiting { until, cause }),
    );
    outcomes.extend(
        [
            Rule::ModeOff,
            Rule::CreatorInactive,
            Rule::DryRun,
            Rule::Rejected,
            Rule::NotContactable,
            Rule::BeforeBot,
            Rule::Deleted,
        ]
        .map(|rule| Outcome::Blocked { rule }),
    );
    outcomes.extend(odd_texts().iter().map(|cause| Outcome::Failed {
        cause: cause.as_ref().into(),
    }));
    outcomes.extend(odd_texts().iter().map(|problem| Outcome::NoSafeReply {
        problem: problem.as_ref().into(),
    }));
    let messages = each(outcomes, |message, outcome| {
        message.decision = Some(Decision::new(outcome, at(30)));
    });
    round_trip(&store, messages).await;
}

pub async fn a_thousand_messages_fit_in_one_change(store: Arc<dyn Store>) {
    let messages = each(0..1_000, |message, _| {
        message.content.media = vec![media_id(1)];
    });
    let last = messages.len();
    round_trip(&store, messages).await;
    let id = conversation_id(1, 1);
    let page = store.messages(id, &PageRequest::first(1)).await.unwrap();
    assert_eq!(page.items[0].id, message_id(u32::try_from(last).unwrap()));
}

pub async fn a_message_that_was_never_committed_is_none(store: Arc<dyn Store>) {
    let (conversation, _) = chat(&store, 1, 1).await;
    let found = store.message(conversation.id, message_id(1)).await.unwrap();
    assert_eq!(found, None);
}
