//! What the cases start from: ids, rows and texts that are the same in every run.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be built fails the case"
)]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{
    AccountId, ConversationId, CreatorId, FanId, MediaId, MessageId, TransactionId,
};
use fanvue_bot_core::ledger::{Telling, Transaction, TransactionKind};
use fanvue_bot_core::message::{Author, Content, Message, MessageType};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{IdempotencyKey, NewJob, WorkerId};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{ConversationChange, Store};
use fanvue_bot_core::time::Timestamp;

/// `seconds` after 2026-01-05T09:30:00Z.
#[must_use]
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_767_605_400) + Duration::from_secs(seconds)
}

/// Later than anything a case waits for.
#[must_use]
pub fn far() -> Timestamp {
    at(100 * 365 * 24 * 60 * 60)
}

fn uuid(kind: &str, number: u32) -> String {
    format!("{kind}0000-0000-4000-8000-{number:012x}")
}

/// Creator number `number`.
#[must_use]
pub fn creator_id(number: u32) -> CreatorId {
    uuid("c0de", number).parse().unwrap()
}

/// The Fanvue account number `number`.
#[must_use]
pub fn account_id(number: u32) -> AccountId {
    uuid("acc0", number).parse().unwrap()
}

/// Fan number `number`; may write to any creator.
#[must_use]
pub fn fan_id(number: u32) -> FanId {
    uuid("fa00", number).parse().unwrap()
}

/// Message number `number`; ids grow with it.
#[must_use]
pub fn message_id(number: u32) -> MessageId {
    uuid("3e55", number).parse().unwrap()
}

/// Transaction number `number`; ids grow with it.
#[must_use]
pub fn transaction_id(number: u32) -> TransactionId {
    uuid("7a15", number).parse().unwrap()
}

/// Media number `number`.
#[must_use]
pub fn media_id(number: u32) -> MediaId {
    uuid("3ed1", number).parse().unwrap()
}

/// Creator `creator`'s conversation with fan `fan`.
#[must_use]
pub fn conversation_id(creator: u32, fan: u32) -> ConversationId {
    ConversationId::new(creator_id(creator), fan_id(fan))
}

/// Creator number `number`, connected to the account of that number.
#[must_use]
pub fn creator(number: u32) -> Creator {
    Creator::new(creator_id(number), Persona::named(format!("Mia {number}")))
        .account(account_id(number))
}

/// A conversation in which nothing has happened.
#[must_use]
pub fn conversation(creator: u32, fan: u32) -> Conversation {
    Conversation::new(conversation_id(creator, fan), Seed::new(7))
}

/// A fan's message of words, sent `number` seconds after the start.
#[must_use]
pub fn message(conversation: ConversationId, number: u32) -> Message {
    Message {
        id: message_id(number),
        conversation,
        author: Author::Fan,
        kind: MessageType::SingleRecipient,
        content: Content::text(format!("message {number}")),
        sent_at: at(u64::from(number)),
        stored_at: at(u64::from(number) + 1),
        tokens: None,
        turn: None,
        decision: None,
        deleted_at: None,
    }
}

/// A tip of one dollar and `number` cents, given `number` seconds after the start.
#[must_use]
pub fn transaction(conversation: ConversationId, number: u32) -> Transaction {
    Transaction {
        id: transaction_id(number),
        conversation,
        kind: TransactionKind::Tip,
        telling: Telling::Payment,
        amount: Some(Cents::new(100 + i64::from(number))),
        net: None,
        currency: None,
        at: at(u64::from(number)),
        stored_at: at(u64::from(number) + 1),
        message: None,
        post: None,
        reference: None,
        reverses: None,
        same_as: None,
    }
}

/// A change of `conversation` that adds `messages`.
#[must_use]
pub fn adding(conversation: &Conversation, messages: Vec<Message>) -> ConversationChange {
    let mut change = ConversationChange::new(conversation.clone());
    change.messages = messages;
    change
}

/// Commits creator `number` and an empty conversation with fan `fan`.
pub async fn chat(store: &dyn Store, creator: u32, fan: u32) -> (Conversation, Revision) {
    if store.creator(creator_id(creator)).await.unwrap().is_none() {
        onboard(store, creator).await;
    }
    let conversation = conversation(creator, fan);
    let change = ConversationChange::new(conversation.clone()).into();
    let revision = store.commit(&change, None).await.unwrap();
    (conversation, revision)
}

/// Commits a conversation of creator `creator` with fan `fan` that has these messages.
pub async fn chat_with(
    store: &dyn Store,
    creator: u32,
    fan: u32,
    messages: Vec<Message>,
) -> (Conversation, Revision) {
    let (conversation, revision) = chat(store, creator, fan).await;
    let change = adding(&conversation, messages).into();
    let revision = store.commit(&change, Some(revision)).await.unwrap();
    (conversation, revision)
}

/// Commits creator `number`.
pub async fn onboard(store: &dyn Store, number: u32) -> Revision {
    store.commit(&creator(number).into(), None).await.unwrap()
}

/// Job `number` of creator `creator`'s conversation with fan `fan`. Its name is unique in the tenant.
#[must_use]
pub fn job(creator: u32, fan: u32, number: u32, due: Timestamp) -> NewJob {
    let key = IdempotencyKey::new(format!("wake/{fan}/{number}"));
    NewJob::wake(conversation_id(creator, fan), due, key)
}

/// Worker number `number`.
#[must_use]
pub fn worker(number: u32) -> WorkerId {
    WorkerId::new(format!("worker-{number}"))
}

/// Texts that storages are known to mangle. None holds a NUL, which Postgres cannot store.
#[must_use]
pub fn odd_texts() -> Vec<Arc<str>> {
    let mut texts: Vec<Arc<str>> = [
        "",
        " ",
        " leading and trailing \n",
        "tab\tcarriage\rreturn\r\nline\n",
        "'; DROP TABLE messages; --",
        "%s %d {} {{name}} $1 ? :name \\ \\n \"quoted\" 'single'",
        "grüße, ça va, ñandú, İstanbul, ﬁ",
        "e\u{301} is not \u{e9}",
        "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️",
        "שלום עולם مرحبا بالعالم",
        "\u{202e}reversed\u{202c} zero\u{200b}width\u{feff}",
        "𝕳𝖊𝖑𝖑𝖔 𠜎",
        "\u{1}\u{7f}\u{80}\u{fffd}\u{fffe}\u{10ffff}",
        "null",
        "{\"json\": [1, 2]}",
    ]
    .into_iter()
    .map(Into::into)
    .collect();
    texts.push("x".repeat(5_000).into());
    texts.push("💌".repeat(5_000).into());
    texts
}

/// Times at the ends of what is kept, and between microseconds that a float would merge.
#[must_use]
pub fn odd_times() -> Vec<Timestamp> {
    [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999999Z",
        "2026-01-05T09:30:00.123456Z",
        "2026-01-05T09:30:00.123457Z",
        "2038-01-19T03:14:08Z",
        "2262-04-11T23:47:16.854776Z",
    ]
    .into_iter()
    .map(|text| text.parse().unwrap())
    .chain([Timestamp::MAX])
    .collect()
}
