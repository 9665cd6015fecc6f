//! The ports over a type that wraps another implementation of them.

use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::client::ClientError;
use fanvue_bot_core::llm::LlmError;
use fanvue_bot_core::queue::QueueError;
use fanvue_bot_core::secret::VaultError;
use fanvue_bot_core::store::StoreError;

/// What a call that did not get through looks like to the caller.
pub(crate) trait PortError: Sized {
    /// The other side did not answer, and nothing was done.
    fn nothing_done() -> Self;

    /// The other side did not answer, and a write may have been done.
    fn write_unknown() -> Self {
        Self::nothing_done()
    }
}

impl PortError for StoreError {
    fn nothing_done() -> Self {
        Self::unavailable("injected fault")
    }
}

impl PortError for QueueError {
    fn nothing_done() -> Self {
        Self::unavailable("injected fault")
    }
}

impl PortError for BackendError {
    fn nothing_done() -> Self {
        Self::Store(StoreError::nothing_done())
    }
}

impl PortError for VaultError {
    fn nothing_done() -> Self {
        Self::unavailable("injected fault")
    }
}

impl PortError for LlmError {
    fn nothing_done() -> Self {
        Self::overloaded("injected fault")
    }
}

impl PortError for ClientError {
    fn nothing_done() -> Self {
        Self::unavailable("injected fault")
    }

    fn write_unknown() -> Self {
        Self::outcome_unknown("injected fault")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// Implements every port for `$type<T>` where `T` implements it. `$type` has a field `inner: T` and a
/// method `around(&self, operation, effect, call)`.
macro_rules! decorate_ports {
    ($type:ident) => {
        const _: () = {
            use std::collections::BTreeMap;
            use std::sync::Arc;
            use std::time::Duration;

            use async_trait::async_trait;
            use fanvue_bot_core::admin::{AdminQueries, DecidedMessage, DecisionsOf, TimeSpan};
            use fanvue_bot_core::backend::{Atomicity, BackendError, CommitAndEnqueue};
            use fanvue_bot_core::broadcast::{Broadcast, Broadcasts, Recipient, Standing};
            use fanvue_bot_core::client::{
                AppCredentials, Auth, AuthorizationGrant, ChatFilter, ChatSummary, ClientError,
                CustomList, FanList, FanvueClient, MessageQuery, OutgoingMessage, Presence,
                RefreshToken, RemoteMessage, SubscribedWebhook, SubscriptionId, TokenSet, Typing,
                UnreadCounts, User, WebhookSubscription,
            };
            use fanvue_bot_core::conversation::Conversation;
            use fanvue_bot_core::creator::Creator;
            use fanvue_bot_core::decision::Reason;
            use fanvue_bot_core::fan::FanProfile;
            use fanvue_bot_core::id::{
                AccountId, BroadcastId, ConversationId, CreatorId, FanId, MessageId, TransactionId,
            };
            use fanvue_bot_core::inbox::{Inbox, KeptEvent, KeptId, WaitingEvent};
            use fanvue_bot_core::ledger::Transaction;
            use fanvue_bot_core::llm::{
                Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider,
            };
            use fanvue_bot_core::message::Message;
            use fanvue_bot_core::page::{Page, PageRequest};
            use fanvue_bot_core::queue::{
                Claim, ClaimLimits, ClaimedLane, Enqueued, FailureNote, JobQueue, JobRecord,
                NewJob, OrderingKey, QueueError, WorkerId,
            };
            use fanvue_bot_core::revision::{Revision, Versioned};
            use fanvue_bot_core::secret::{
                KeyId, Rewrap, Rewrapped, SealedUnder, Secret, SecretId, SecretVault, VaultError,
            };
            use fanvue_bot_core::store::{
                Change, Due, Erased, HolderId, Lease, LeaseName, RegisterName, Store, StoreError,
            };
            use fanvue_bot_core::time::Timestamp;

            use crate::decorator::Effect::{Read, Write};

            #[async_trait]
            impl<T: Store> Store for $type<T> {
                async fn creator(
                    &self,
                    id: CreatorId,
                ) -> Result<Option<Versioned<Creator>>, StoreError> {
                    self.around("Store::creator", Read, self.inner.creator(id))
                        .await
                }

                async fn creator_by_account(
                    &self,
                    account: AccountId,
                ) -> Result<Option<Versioned<Creator>>, StoreError> {
                    self.around(
                        "Store::creator_by_account",
                        Read,
                        self.inner.creator_by_account(account),
                    )
                    .await
                }

                async fn creator_ids(
                    &self,
                    after: Option<CreatorId>,
                    limit: usize,
                ) -> Result<Vec<CreatorId>, StoreError> {
                    self.around(
                        "Store::creator_ids",
                        Read,
                        self.inner.creator_ids(after, limit),
                    )
                    .await
                }

                async fn conversation(
                    &self,
                    id: ConversationId,
                ) -> Result<Option<Versioned<Conversation>>, StoreError> {
                    self.around("Store::conversation", Read, self.inner.conversation(id))
                        .await
                }

                async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError> {
                    self.around("Store::fan", Read, self.inner.fan(id)).await
                }

                async fn messages(
                    &self,
                    id: ConversationId,
                    page: &PageRequest,
                ) -> Result<Page<Message>, StoreError> {
                    self.around("Store::messages", Read, self.inner.messages(id, page))
                        .await
                }

                async fn message(
                    &self,
                    id: ConversationId,
                    message: MessageId,
                ) -> Result<Option<Message>, StoreError> {
                    self.around("Store::message", Read, self.inner.message(id, message))
                        .await
                }

                async fn transactions(
                    &self,
                    id: ConversationId,
                    page: &PageRequest,
                ) -> Result<Page<Transaction>, StoreError> {
                    self.around(
                        "Store::transactions",
                        Read,
                        self.inner.transactions(id, page),
                    )
                    .await
                }

                async fn transaction(
                    &self,
                    id: ConversationId,
                    transaction: TransactionId,
                ) -> Result<Option<Transaction>, StoreError> {
                    self.around(
                        "Store::transaction",
                        Read,
                        self.inner.transaction(id, transaction),
                    )
                    .await
                }

                async fn due(
                    &self,
                    of: Option<CreatorId>,
                    until: Timestamp,
                    page: &PageRequest,
                ) -> Result<Page<Due>, StoreError> {
                    self.around("Store::due", Read, self.inner.due(of, until, page))
                        .await
                }

                async fn commit(
                    &self,
                    change: &Change,
                    expected: Option<Revision>,
                ) -> Result<Revision, StoreError> {
                    self.around("Store::commit", Write, self.inner.commit(change, expected))
                        .await
                }

                async fn erase(
                    &self,
                    id: ConversationId,
                    through: Timestamp,
                    limit: usize,
                ) -> Result<Erased, StoreError> {
                    self.around("Store::erase", Write, self.inner.erase(id, through, limit))
                        .await
                }

                async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError> {
                    self.around("Store::mark_erased", Write, self.inner.mark_erased(id))
                        .await
                }

                async fn erase_creator(
                    &self,
                    id: CreatorId,
                    limit: usize,
                ) -> Result<Erased, StoreError> {
                    let erasing = self.inner.erase_creator(id, limit);
                    self.around("Store::erase_creator", Write, erasing).await
                }

                async fn acquire_lease(
                    &self,
                    name: &LeaseName,
                    holder: &HolderId,
                    now: Timestamp,
                    ttl: Duration,
                ) -> Result<Option<Lease>, StoreError> {
                    self.around(
                        "Store::acquire_lease",
                        Write,
                        self.inner.acquire_lease(name, holder, now, ttl),
                    )
                    .await
                }

                async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
                    self.around(
                        "Store::release_lease",
                        Write,
                        self.inner.release_lease(lease),
                    )
                    .await
                }

                async fn register(
                    &self,
                    name: &RegisterName,
                ) -> Result<Option<Versioned<String>>, StoreError> {
                    self.around("Store::register", Read, self.inner.register(name))
                        .await
                }

                async fn set_register(
                    &self,
                    name: &RegisterName,
                    value: &str,
                    expected: Option<Revision>,
                ) -> Result<Revision, StoreError> {
                    self.around(
                        "Store::set_register",
                        Write,
                        self.inner.set_register(name, value, expected),
                    )
                    .await
                }
            }

            #[async_trait]
            impl<T: AdminQueries> AdminQueries for $type<T> {
                async fn decisions(
                    &self,
                    of: DecisionsOf,
                    page: &PageRequest,
                ) -> Result<Page<DecidedMessage>, StoreError> {
                    self.around(
                        "AdminQueries::decisions",
                        Read,
                        self.inner.decisions(of, page),
                    )
                    .await
                }

                async fn decision_counts(
                    &self,
                    creator: CreatorId,
                    span: TimeSpan,
                ) -> Result<Vec<(Reason, u64)>, StoreError> {
                    self.around(
                        "AdminQueries::decision_counts",
                        Read,
                        self.inner.decision_counts(creator, span),
                    )
                    .await
                }
            }

            #[async_trait]
            impl<T: JobQueue> JobQueue for $type<T> {
                async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
                    self.around("JobQueue::enqueue", Write, self.inner.enqueue(jobs))
                        .await
                }

                async fn claim(
                    &self,
                    worker: &WorkerId,
                    limits: &ClaimLimits,
                    now: Timestamp,
                    lease: Duration,
                ) -> Result<Vec<ClaimedLane>, QueueError> {
                    self.around(
                        "JobQueue::claim",
                        Write,
                        self.inner.claim(worker, limits, now, lease),
                    )
                    .await
                }

                async fn extend(
                    &self,
                    claims: &[Claim],
                    now: Timestamp,
                    lease: Duration,
                ) -> Result<Vec<Claim>, QueueError> {
                    self.around(
                        "JobQueue::extend",
                        Write,
                        self.inner.extend(claims, now, lease),
                    )
                    .await
                }

                async fn complete(
                    &self,
                    claims: Vec<Claim>,
                    now: Timestamp,
                ) -> Result<(), QueueError> {
                    self.around(
                        "JobQueue::complete",
                        Write,
                        self.inner.complete(claims, now),
                    )
                    .await
                }

                async fn reschedule(
                    &self,
                    claim: Claim,
                    due: Timestamp,
                    cause: &FailureNote,
                ) -> Result<(), QueueError> {
                    self.around(
                        "JobQueue::reschedule",
                        Write,
                        self.inner.reschedule(claim, due, cause),
                    )
                    .await
                }

                async fn dead_letter(
                    &self,
                    claim: Claim,
                    now: Timestamp,
                    cause: &FailureNote,
                ) -> Result<(), QueueError> {
                    self.around(
                        "JobQueue::dead_letter",
                        Write,
                        self.inner.dead_letter(claim, now, cause),
                    )
                    .await
                }

                async fn jobs(
                    &self,
                    lane: &OrderingKey,
                    page: &PageRequest,
                ) -> Result<Page<JobRecord>, QueueError> {
                    self.around("JobQueue::jobs", Read, self.inner.jobs(lane, page))
                        .await
                }

                async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError> {
                    self.around("JobQueue::erase_lane", Write, self.inner.erase_lane(lane))
                        .await
                }

                async fn erase_lanes_of(
                    &self,
                    creator: CreatorId,
                    limit: usize,
                ) -> Result<Erased, QueueError> {
                    let erasing = self.inner.erase_lanes_of(creator, limit);
                    self.around("JobQueue::erase_lanes_of", Write, erasing)
                        .await
                }

                async fn ready(&self) -> Result<(), QueueError> {
                    self.around("JobQueue::ready", Read, self.inner.ready())
                        .await
                }
            }

            #[async_trait]
            impl<T: Inbox> Inbox for $type<T> {
                async fn keep(&self, event: KeptEvent) -> Result<(), StoreError> {
                    self.around("Inbox::keep", Write, self.inner.keep(event))
                        .await
                }

                async fn waiting(
                    &self,
                    now: Timestamp,
                    limit: usize,
                ) -> Result<Vec<WaitingEvent>, StoreError> {
                    self.around("Inbox::waiting", Read, self.inner.waiting(now, limit))
                        .await
                }

                async fn waiting_of(
                    &self,
                    id: ConversationId,
                    limit: usize,
                ) -> Result<Vec<WaitingEvent>, StoreError> {
                    self.around("Inbox::waiting_of", Read, self.inner.waiting_of(id, limit))
                        .await
                }

                async fn settle(&self, events: &[KeptId]) -> Result<(), StoreError> {
                    self.around("Inbox::settle", Write, self.inner.settle(events))
                        .await
                }

                async fn put_off(&self, event: KeptId, until: Timestamp) -> Result<(), StoreError> {
                    self.around("Inbox::put_off", Write, self.inner.put_off(event, until))
                        .await
                }

                async fn kept(&self) {
                    self.inner.kept().await;
                }
            }

            #[async_trait]
            impl<T: CommitAndEnqueue> CommitAndEnqueue for $type<T> {
                async fn commit_and_enqueue(
                    &self,
                    change: &Change,
                    expected: Option<Revision>,
                    jobs: &[NewJob],
                ) -> Result<Revision, BackendError> {
                    self.around(
                        "CommitAndEnqueue::commit_and_enqueue",
                        Write,
                        self.inner.commit_and_enqueue(change, expected, jobs),
                    )
                    .await
                }

                fn atomicity(&self) -> Atomicity {
                    self.inner.atomicity()
                }
            }

            #[async_trait]
            impl<T: SecretVault> SecretVault for $type<T> {
                async fn get(
                    &self,
                    id: &SecretId,
                ) -> Result<Option<Versioned<Secret>>, VaultError> {
                    self.around("SecretVault::get", Read, self.inner.get(id))
                        .await
                }

                async fn put(
                    &self,
                    id: &SecretId,
                    secret: &Secret,
                    expected: Option<Revision>,
                ) -> Result<Revision, VaultError> {
                    self.around(
                        "SecretVault::put",
                        Write,
                        self.inner.put(id, secret, expected),
                    )
                    .await
                }

                async fn delete(
                    &self,
                    id: &SecretId,
                    expected: Revision,
                ) -> Result<(), VaultError> {
                    self.around(
                        "SecretVault::delete",
                        Write,
                        self.inner.delete(id, expected),
                    )
                    .await
                }
            }

            #[async_trait]
            impl<T: Rewrap> Rewrap for $type<T> {
                fn primary_key(&self) -> KeyId {
                    self.inner.primary_key()
                }

                async fn count_under_other_keys(&self) -> Result<u64, VaultError> {
                    self.around(
                        "Rewrap::count_under_other_keys",
                        Read,
                        self.inner.count_under_other_keys(),
                    )
                    .await
                }

                async fn under_other_keys(
                    &self,
                    page: &PageRequest,
                ) -> Result<Page<SealedUnder>, VaultError> {
                    self.around(
                        "Rewrap::under_other_keys",
                        Read,
                        self.inner.under_other_keys(page),
                    )
                    .await
                }

                async fn rewrap(&self, id: &SecretId) -> Result<Rewrapped, VaultError> {
                    self.around("Rewrap::rewrap", Write, self.inner.rewrap(id))
                        .await
                }
            }

            #[async_trait]
            impl<T: Broadcasts> Broadcasts for $type<T> {
                async fn broadcast(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
                    self.around(
                        "Broadcasts::broadcast",
                        Read,
                        self.inner.broadcast(creator, id),
                    )
                    .await
                }

                async fn broadcasts(
                    &self,
                    creator: CreatorId,
                    page: &PageRequest,
                ) -> Result<Page<Versioned<Broadcast>>, StoreError> {
                    self.around(
                        "Broadcasts::broadcasts",
                        Read,
                        self.inner.broadcasts(creator, page),
                    )
                    .await
                }

                async fn due_broadcasts(
                    &self,
                    now: Timestamp,
                    limit: usize,
                ) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError> {
                    self.around(
                        "Broadcasts::due_broadcasts",
                        Read,
                        self.inner.due_broadcasts(now, limit),
                    )
                    .await
                }

                async fn put_broadcast(
                    &self,
                    broadcast: &Broadcast,
                    expected: Option<Revision>,
                ) -> Result<Revision, StoreError> {
                    self.around(
                        "Broadcasts::put_broadcast",
                        Write,
                        self.inner.put_broadcast(broadcast, expected),
                    )
                    .await
                }

                async fn add_recipients(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                    fans: &[FanProfile],
                ) -> Result<(), StoreError> {
                    self.around(
                        "Broadcasts::add_recipients",
                        Write,
                        self.inner.add_recipients(creator, id, fans),
                    )
                    .await
                }

                async fn recipient_names(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                    fans: &[FanId],
                ) -> Result<BTreeMap<FanId, Arc<str>>, StoreError> {
                    self.around(
                        "Broadcasts::recipient_names",
                        Read,
                        self.inner.recipient_names(creator, id, fans),
                    )
                    .await
                }

                async fn move_recipients(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                    fans: &[FanId],
                    from: Standing,
                    to: Standing,
                ) -> Result<(), StoreError> {
                    self.around(
                        "Broadcasts::move_recipients",
                        Write,
                        self.inner.move_recipients(creator, id, fans, from, to),
                    )
                    .await
                }

                async fn recipients(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                    standing: Standing,
                    after: Option<FanId>,
                    limit: usize,
                ) -> Result<Vec<FanId>, StoreError> {
                    self.around(
                        "Broadcasts::recipients",
                        Read,
                        self.inner.recipients(creator, id, standing, after, limit),
                    )
                    .await
                }

                async fn recipient_counts(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                ) -> Result<Vec<(Standing, u64)>, StoreError> {
                    self.around(
                        "Broadcasts::recipient_counts",
                        Read,
                        self.inner.recipient_counts(creator, id),
                    )
                    .await
                }

                async fn clear_gathered(
                    &self,
                    creator: CreatorId,
                    id: BroadcastId,
                ) -> Result<(), StoreError> {
                    self.around(
                        "Broadcasts::clear_gathered",
                        Write,
                        self.inner.clear_gathered(creator, id),
                    )
                    .await
                }

                async fn broadcasts_to(
                    &self,
                    fan: ConversationId,
                    after: Option<BroadcastId>,
                    limit: usize,
                ) -> Result<Vec<Recipient>, StoreError> {
                    self.around(
                        "Broadcasts::broadcasts_to",
                        Read,
                        self.inner.broadcasts_to(fan, after, limit),
                    )
                    .await
                }

                async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError> {
                    self.around(
                        "Broadcasts::forget_recipient",
                        Write,
                        self.inner.forget_recipient(fan),
                    )
                    .await
                }

                async fn erase_broadcasts_of(
                    &self,
                    creator: CreatorId,
                    limit: usize,
                ) -> Result<Erased, StoreError> {
                    let erasing = self.inner.erase_broadcasts_of(creator, limit);
                    self.around("Broadcasts::erase_broadcasts_of", Write, erasing)
                        .await
                }
            }

            #[async_trait]
            impl<T: LlmProvider> LlmProvider for $type<T> {
                async fn complete(
                    &self,
                    request: &CompletionRequest,
                ) -> Result<Completion, LlmError> {
                    self.around("LlmProvider::complete", Read, self.inner.complete(request))
                        .await
                }

                fn capabilities(&self) -> LlmCapabilities {
                    self.inner.capabilities()
                }
            }

            #[async_trait]
            impl<T: FanvueClient> FanvueClient for $type<T> {
                async fn exchange_code(
                    &self,
                    grant: &AuthorizationGrant,
                ) -> Result<TokenSet, ClientError> {
                    self.around(
                        "FanvueClient::exchange_code",
                        Write,
                        self.inner.exchange_code(grant),
                    )
                    .await
                }

                async fn refresh_tokens(
                    &self,
                    app: &AppCredentials,
                    token: &RefreshToken,
                ) -> Result<TokenSet, ClientError> {
                    self.around(
                        "FanvueClient::refresh_tokens",
                        Write,
                        self.inner.refresh_tokens(app, token),
                    )
                    .await
                }

                async fn revoke_token(
                    &self,
                    app: &AppCredentials,
                    token: &RefreshToken,
                ) -> Result<(), ClientError> {
                    // Repeating it is harmless, so a lost answer is no unknown outcome.
                    self.around(
                        "FanvueClient::revoke_token",
                        Read,
                        self.inner.revoke_token(app, token),
                    )
                    .await
                }

                async fn current_user(&self, auth: &Auth) -> Result<User, ClientError> {
                    self.around(
                        "FanvueClient::current_user",
                        Read,
                        self.inner.current_user(auth),
                    )
                    .await
                }

                async fn managed_creators(
                    &self,
                    auth: &Auth,
                    page: &PageRequest,
                ) -> Result<Page<User>, ClientError> {
                    self.around(
                        "FanvueClient::managed_creators",
                        Read,
                        self.inner.managed_creators(auth, page),
                    )
                    .await
                }

                async fn subscribe_webhook(
                    &self,
                    auth: &Auth,
                    url: &str,
                    events: &[String],
                ) -> Result<SubscribedWebhook, ClientError> {
                    self.around(
                        "FanvueClient::subscribe_webhook",
                        Write,
                        self.inner.subscribe_webhook(auth, url, events),
                    )
                    .await
                }

                async fn webhook_subscriptions(
                    &self,
                    auth: &Auth,
                ) -> Result<Vec<WebhookSubscription>, ClientError> {
                    self.around(
                        "FanvueClient::webhook_subscriptions",
                        Read,
                        self.inner.webhook_subscriptions(auth),
                    )
                    .await
                }

                async fn unsubscribe_webhook(
                    &self,
                    auth: &Auth,
                    subscription: &SubscriptionId,
                ) -> Result<(), ClientError> {
                    // Repeating it is harmless, so a lost answer is no unknown outcome.
                    self.around(
                        "FanvueClient::unsubscribe_webhook",
                        Read,
                        self.inner.unsubscribe_webhook(auth, subscription),
                    )
                    .await
                }

                async fn chats(
                    &self,
                    auth: &Auth,
                    filter: ChatFilter,
                    page: &PageRequest,
                ) -> Result<Page<ChatSummary>, ClientError> {
                    self.around(
                        "FanvueClient::chats",
                        Read,
                        self.inner.chats(auth, filter, page),
                    )
                    .await
                }

                async fn messages(
                    &self,
                    auth: &Auth,
                    fan: FanId,
                    query: &MessageQuery,
                ) -> Result<Page<RemoteMessage>, ClientError> {
                    self.around(
                        "FanvueClient::messages",
                        Read,
                        self.inner.messages(auth, fan, query),
                    )
                    .await
                }

                async fn message(
                    &self,
                    auth: &Auth,
                    fan: FanId,
                    message: MessageId,
                ) -> Result<RemoteMessage, ClientError> {
                    self.around(
                        "FanvueClient::message",
                        Read,
                        self.inner.message(auth, fan, message),
                    )
                    .await
                }

                async fn send_message(
                    &self,
                    auth: &Auth,
                    fan: FanId,
                    message: &OutgoingMessage,
                ) -> Result<MessageId, ClientError> {
                    self.around(
                        "FanvueClient::send_message",
                        Write,
                        self.inner.send_message(auth, fan, message),
                    )
                    .await
                }

                async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
                    self.around(
                        "FanvueClient::create_chat",
                        Write,
                        self.inner.create_chat(auth, fan),
                    )
                    .await
                }

                async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
                    self.around(
                        "FanvueClient::mark_read",
                        Write,
                        self.inner.mark_read(auth, fan),
                    )
                    .await
                }

                async fn set_typing(
                    &self,
                    auth: &Auth,
                    fan: FanId,
                    typing: Typing,
                ) -> Result<(), ClientError> {
                    self.around(
                        "FanvueClient::set_typing",
                        Write,
                        self.inner.set_typing(auth, fan, typing),
                    )
                    .await
                }

                async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError> {
                    self.around(
                        "FanvueClient::unread_counts",
                        Read,
                        self.inner.unread_counts(auth),
                    )
                    .await
                }

                async fn presence(
                    &self,
                    auth: &Auth,
                    fans: &[FanId],
                ) -> Result<Vec<Presence>, ClientError> {
                    self.around(
                        "FanvueClient::presence",
                        Read,
                        self.inner.presence(auth, fans),
                    )
                    .await
                }

                async fn custom_lists(
                    &self,
                    auth: &Auth,
                    page: &PageRequest,
                ) -> Result<Page<CustomList>, ClientError> {
                    self.around(
                        "FanvueClient::custom_lists",
                        Read,
                        self.inner.custom_lists(auth, page),
                    )
                    .await
                }

                async fn list_members(
                    &self,
                    auth: &Auth,
                    list: FanList,
                    page: &PageRequest,
                ) -> Result<Page<FanProfile>, ClientError> {
                    self.around(
                        "FanvueClient::list_members",
                        Read,
                        self.inner.list_members(auth, list, page),
                    )
                    .await
                }

                fn longest_request(&self) -> std::time::Duration {
                    self.inner.longest_request()
                }
            }
        };
    };
}
pub(crate) use decorate_ports;
