//! Parts of one's own: a language model in a few lines, and a store that counts what it is asked.
//!
//! ```sh
//! cargo run --example own_adapter
//! cargo test --example own_adapter        # the store against its contract
//! ```

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::backend::Backend;
use fanvue_bot::conversation::Conversation;
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::fan::FanProfile;
use fanvue_bot::id::{AccountId, ConversationId, CreatorId, MessageId, TransactionId};
use fanvue_bot::ledger::Transaction;
use fanvue_bot::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot::memory::{MemoryQueue, MemoryStore, MemoryVault};
use fanvue_bot::message::Message;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::page::{Page, PageRequest};
use fanvue_bot::persona::Persona;
use fanvue_bot::prompt::without_marks;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::revision::{Revision, Versioned};
use fanvue_bot::settings::Settings;
use fanvue_bot::store::{
    Change, Due, Erased, HolderId, Lease, LeaseName, RegisterName, Store, StoreError,
};
use fanvue_bot::time::Timestamp;
use fanvue_bot::webhook::{Hints, Verifier};
use fanvue_bot::worker::{Worker, WorkerOptions};
use fanvue_bot_testkit::chat::SimulatedChat;

/// A model that asks back. A real one sends `request.messages` to its provider, once: it neither sleeps nor
/// retries, and the [`LlmError`] it picks tells the queue whether and when to try again.
#[derive(Debug)]
struct AsksBack;

#[async_trait]
impl LlmProvider for AsksBack {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let Some(asked) = request.messages.last() else {
            return Err(LlmError::Misconfigured {
                message: "the prompt has no messages".to_owned(),
            });
        };
        // What the fan wrote stands between marks, which a reply must not have.
        let said = without_marks(&asked.content);
        let words = said.trim_end_matches(['.', '!', '?']);
        Ok(Completion::new(format!("\"{words}\"? why do you ask?")))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(8_000)
    }
}

/// Any store, with its calls counted. Each method hands on what it was given: what a decorator adds must
/// leave the contract of [`Store`] as it is.
#[derive(Debug)]
struct Counted<S> {
    inner: S,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl<S> Counted<S> {
    fn new(inner: S) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
        }
    }

    /// Notes a call, and answers with the store to pass it on to.
    fn count(&self, call: &'static str) -> &S {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(call).or_default() += 1;
        &self.inner
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }
}

#[async_trait]
impl<S: Store> Store for Counted<S> {
    async fn creator(&self, id: CreatorId) -> Result<Option<Versioned<Creator>>, StoreError> {
        self.count("creator").creator(id).await
    }

    async fn creator_by_account(
        &self,
        account: AccountId,
    ) -> Result<Option<Versioned<Creator>>, StoreError> {
        let inner = self.count("creator_by_account");
        inner.creator_by_account(account).await
    }

    async fn creator_ids(
        &self,
        after: Option<CreatorId>,
        limit: usize,
    ) -> Result<Vec<CreatorId>, StoreError> {
        self.count("creator_ids").creator_ids(after, limit).await
    }

    async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError> {
        self.count("conversation").conversation(id).await
    }

    async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError> {
        self.count("fan").fan(id).await
    }

    async fn messages(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        self.count("messages").messages(id, page).await
    }

    async fn message(
        &self,
        id: ConversationId,
        message: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        self.count("message").message(id, message).await
    }

    async fn transactions(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Transaction>, StoreError> {
        self.count("transactions").transactions(id, page).await
    }

    async fn transaction(
        &self,
        id: ConversationId,
        transaction: TransactionId,
    ) -> Result<Option<Transaction>, StoreError> {
        let inner = self.count("transaction");
        inner.transaction(id, transaction).await
    }

    async fn due(
        &self,
        of: Option<CreatorId>,
        until: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<Due>, StoreError> {
        self.count("due").due(of, until, page).await
    }

    async fn commit(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        self.count("commit").commit(change, expected).await
    }

    async fn erase(
        &self,
        id: ConversationId,
        through: Timestamp,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        self.count("erase").erase(id, through, limit).await
    }

    async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError> {
        self.count("mark_erased").mark_erased(id).await
    }

    async fn erase_creator(&self, id: CreatorId, limit: usize) -> Result<Erased, StoreError> {
        self.count("erase_creator").erase_creator(id, limit).await
    }

    async fn acquire_lease(
        &self,
        name: &LeaseName,
        holder: &HolderId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let inner = self.count("acquire_lease");
        inner.acquire_lease(name, holder, now, ttl).await
    }

    async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        self.count("release_lease").release_lease(lease).await
    }

    async fn register(&self, name: &RegisterName) -> Result<Option<Versioned<String>>, StoreError> {
        self.count("register").register(name).await
    }

    async fn set_register(
        &self,
        name: &RegisterName,
        value: &str,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let inner = self.count("set_register");
        inner.set_register(name, value, expected).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let fanvue = SimulatedChat::new("Luna", "Ben")?;
    let client = Arc::new(fanvue.client());
    let vault = Arc::new(MemoryVault::new());

    // This store and this queue know nothing of each other, so a webhook is taken in in two idempotent
    // steps. A type that is both, such as `sqlx::SqliteBackend`, goes to `Backend::shared` and does it in one.
    let store = Arc::new(Counted::new(MemoryStore::new()));
    let backend = Backend::separate(store.clone(), Arc::new(MemoryQueue::new()));
    let tokens = TokenSource::new(vault, store.clone(), client.clone(), fanvue.app());
    let engine = Engine::builder(backend, Arc::new(AsksBack), client, tokens.clone()).build();

    let id = CreatorId::from_uuid(uuid::Uuid::new_v4());
    let luna = Creator::new(id, Persona::named("Luna"))
        .account(fanvue.account())
        .settings(Settings::immediate());
    tokens.connect(id, &fanvue.tokens()).await?;
    store.commit(&luna.into(), None).await?;

    let verifier = Verifier::new(&fanvue.webhook_secret())?;
    fanvue.fan_writes("hi Luna, how was your day?")?;
    for webhook in fanvue.webhooks() {
        let proved = verifier.verify(webhook.signature.as_bytes(), &webhook.body, engine.now())?;
        engine.accept(&proved.parse(&Hints::default())?).await?;
    }

    let answered = async {
        while fanvue.lines().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let worker = Worker::new(engine, WorkerOptions::new(WorkerId::new("worker-1")));
    worker.run(answered).await;

    for line in fanvue.lines() {
        println!("{line}");
    }
    println!("\ncalls of the store, for one message and one reply:");
    for (call, times) in store.calls() {
        println!("{times:4}  {call}");
    }
    Ok(())
}

/// Every case of the contract, as a test of its own. A store that does not pass loses messages.
#[cfg(test)]
mod conformance {
    fanvue_bot_testkit::store_conformance!(async {
        super::Counted::new(fanvue_bot::memory::MemoryStore::new())
    });
}
