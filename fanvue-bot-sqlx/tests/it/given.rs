//! What the tests start from.

use std::path::PathBuf;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::decision::Decision;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{ConversationId, CreatorId, FanId, MessageId, TransactionId};
use fanvue_bot_core::ledger::{Telling, Transaction, TransactionKind};
use fanvue_bot_core::message::{Author, Content, Message, MessageType};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::queue::{IdempotencyKey, NewJob};
use fanvue_bot_core::store::{Change, ConversationChange};
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_sqlx::SqliteBackend;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// A database in a directory that goes when this does.
pub(crate) struct Db {
    pub(crate) backend: SqliteBackend,
    pub(crate) path: PathBuf,
    pub(crate) dir: TempDir,
}

pub(crate) async fn db() -> Db {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bot.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    Db { backend, path, dir }
}

impl Db {
    /// A connection of somebody else's.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .connect()
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.raw().await)
            .await
            .unwrap()
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_780_000_000 + seconds)
}

pub(crate) fn conversation_id(creator: u128, fan: u128) -> ConversationId {
    ConversationId::new(
        CreatorId::from_uuid(Uuid::from_u128(creator)),
        FanId::from_uuid(Uuid::from_u128(fan)),
    )
}

pub(crate) fn message_id(number: u128) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn conversation(id: ConversationId) -> Conversation {
    Conversation::new(id, Seed::new(u64::MAX))
}

pub(crate) fn message(id: ConversationId, number: u128, seconds: i64) -> Message {
    Message {
        id: message_id(number),
        conversation: id,
        author: Author::Fan,
        kind: MessageType::SingleRecipient,
        content: Content::text(format!("hello {number}")),
        sent_at: at(seconds),
        stored_at: at(seconds),
        tokens: None,
        turn: None,
        decision: None,
        deleted_at: None,
    }
}

/// A tip.
pub(crate) fn transaction(id: ConversationId, number: u128) -> Transaction {
    Transaction {
        id: TransactionId::from_uuid(Uuid::from_u128(number)),
        conversation: id,
        kind: TransactionKind::Tip,
        telling: Telling::Payment,
        amount: Some(Cents::new(500)),
        net: None,
        currency: None,
        at: at(0),
        stored_at: at(0),
        message: None,
        post: None,
        reference: None,
        reverses: None,
        same_as: None,
    }
}

pub(crate) fn change(id: ConversationId) -> ConversationChange {
    ConversationChange::new(conversation(id))
}

/// A conversation that gets one message.
pub(crate) fn intake(id: ConversationId, number: u128) -> Change {
    let mut change = change(id);
    change.messages.push(message(id, number, 0));
    change.into()
}

pub(crate) fn decided(id: ConversationId, number: u128, decision: Decision) -> Change {
    let mut change = change(id);
    change.decisions.push((message_id(number), decision));
    change.into()
}

pub(crate) fn job(id: ConversationId, key: &str, due: i64) -> NewJob {
    NewJob::wake(id, at(due), IdempotencyKey::new(key))
}
