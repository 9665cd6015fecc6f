//! Things that happen in the middle of others: between a question to the model and its answer a fan writes,
//! a webhook arrives, or the process freezes and another takes its lane.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::client::{
    AppCredentials, Auth, AuthorizationGrant, ChatFilter, ChatSummary, ClientError, CustomList,
    FanList, FanvueClient, MessageQuery, OutgoingMessage, Presence, RefreshToken, RemoteMessage,
    SubscribedWebhook, SubscriptionId, TokenSet, Typing, UnreadCounts, User, WebhookSubscription,
};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{FanId, MessageId};
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::page::{Page, PageRequest};

/// What may happen at a point where others get a turn.
pub(super) trait Meanwhile: Send + Sync {
    fn happen(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The place that calls to Fanvue and the model pass; filled in when everything is set up.
#[derive(Clone, Default)]
pub(super) struct Crossing {
    meanwhile: Arc<Mutex<Option<Weak<dyn Meanwhile>>>>,
    rate_limited: Arc<AtomicU64>,
}

impl fmt::Debug for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crossing")
    }
}

impl Crossing {
    pub(super) fn open(&self, meanwhile: &Arc<dyn Meanwhile>) {
        *self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::downgrade(meanwhile));
    }

    /// How many requests Fanvue has refused for their rate.
    pub(super) fn rate_limited(&self) -> u64 {
        self.rate_limited.load(Ordering::Relaxed)
    }

    /// Lets others have their turn after a request to Fanvue.
    async fn answered<R>(&self, answer: Result<R, ClientError>) -> Result<R, ClientError> {
        if matches!(answer, Err(ClientError::RateLimited { .. })) {
            self.rate_limited.fetch_add(1, Ordering::Relaxed);
        }
        self.pass().await;
        answer
    }

    async fn pass(&self) {
        let meanwhile = self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .and_then(Weak::upgrade);
        if let Some(meanwhile) = meanwhile {
            meanwhile.happen().await;
        }
    }
}

/// `inner`, with others getting a turn during its calls.
#[derive(Debug)]
pub(super) struct Interleaved<T> {
    pub(super) inner: T,
    pub(super) crossing: Crossing,
}

#[async_trait]
impl<L: LlmProvider> LlmProvider for Interleaved<L> {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let answer = self.inner.complete(request).await;
        self.crossing.pass().await;
        answer
    }

    fn capabilities(&self) -> LlmCapabilities {
        self.inner.capabilities()
    }
}

#[async_trait]
impl<C: FanvueClient> FanvueClient for Interleaved<C> {
    async fn exchange_code(&self, grant: &AuthorizationGrant) -> Result<TokenSet, ClientError> {
        self.inner.exchange_code(grant).await
    }

    async fn refresh_tokens(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<TokenSet, ClientError> {
        self.inner.refresh_tokens(app, token).await
    }

    async fn revoke_token(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<(), ClientError> {
        self.inner.revoke_token(app, token).await
    }

    async fn current_user(&self, auth: &Auth) -> Result<User, ClientError> {
        self.inner.current_user(auth).await
    }

    async fn managed_creators(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<User>, ClientError> {
        self.inner.managed_creators(auth, page).await
    }

    async fn subscribe_webhook(
        &self,
        auth: &Auth,
        url: &str,
        events: &[String],
    ) -> Result<SubscribedWebhook, ClientError> {
        self.inner.subscribe_webhook(auth, url, events).await
    }

    async fn webhook_subscriptions(
        &self,
        auth: &Auth,
    ) -> Result<Vec<WebhookSubscription>, ClientError> {
        self.inner.webhook_subscriptions(auth).await
    }

    async fn unsubscribe_webhook(
        &self,
        auth: &Auth,
        subscription: &SubscriptionId,
    ) -> Result<(), ClientError> {
        self.inner.unsubscribe_webhook(auth, subscription).await
    }

    async fn chats(
        &self,
        auth: &Auth,
        filter: ChatFilter,
        page: &PageRequest,
    ) -> Result<Page<ChatSummary>, ClientError> {
        self.inner.chats(auth, filter, page).await
    }

    async fn messages(
        &self,
        auth: &Auth,
        fan: FanId,
        query: &MessageQuery,
    ) -> Result<Page<RemoteMessage>, ClientError> {
        let answer = self.inner.messages(auth, fan, query).await;
        self.crossing.answered(answer).await
    }

    async fn message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError> {
        let answer = self.inner.message(auth, fan, message).await;
        self.crossing.answered(answer).await
    }

    async fn send_message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: &OutgoingMessage,
    ) -> Result<MessageId, ClientError> {
        // After and not before: between the last look at the clock and the request a process cannot be
        // stopped by anything that this library controls.
        let answer = self.inner.send_message(auth, fan, message).await;
        self.crossing.answered(answer).await
    }

    async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        self.inner.create_chat(auth, fan).await
    }

    async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        self.inner.mark_read(auth, fan).await
    }

    async fn set_typing(&self, auth: &Auth, fan: FanId, typing: Typing) -> Result<(), ClientError> {
        self.inner.set_typing(auth, fan, typing).await
    }

    async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError> {
        self.inner.unread_counts(auth).await
    }

    async fn presence(&self, auth: &Auth, fans: &[FanId]) -> Result<Vec<Presence>, ClientError> {
        self.inner.presence(auth, fans).await
    }

    async fn custom_lists(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, ClientError> {
        self.inner.custom_lists(auth, page).await
    }

    async fn list_members(
        &self,
        auth: &Auth,
        list: FanList,
        page: &PageRequest,
    ) -> Result<Page<FanProfile>, ClientError> {
        self.inner.list_members(auth, list, page).await
    }

    fn longest_request(&self) -> Duration {
        self.inner.longest_request()
    }
}
