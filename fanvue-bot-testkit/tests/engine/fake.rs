//! A Fanvue of one chat, whose next answers can be set.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::client::{
    AccessToken, AppCredentials, Auth, AuthorizationGrant, ChatFilter, ChatSummary, ClientError,
    CustomList, FanList, FanvueClient, MessageQuery, OutgoingMessage, Presence, RefreshToken,
    RemoteMessage, SubscribedWebhook, SubscriptionId, TokenSet, Typing, UnreadCounts, User,
    WebhookSubscription,
};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{FanId, MessageId};
use fanvue_bot_core::message::Content;
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::time::Clock;
use fanvue_bot_testkit::clock::VirtualClock;

use crate::ids::{account, message};

#[derive(Debug)]
pub(crate) struct Fanvue {
    clock: VirtualClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    chat: Vec<RemoteMessage>,
    sent: Vec<String>,
    refreshes: u32,
    valid_token: Option<String>,
    refusals: VecDeque<ClientError>,
    reads_of_one: u32,
    revoked: u32,
    keeps_grants: bool,
}

impl Fanvue {
    pub(crate) fn new(clock: VirtualClock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// How many grants were revoked.
    pub(crate) fn revoked(&self) -> u32 {
        self.with(|state| state.revoked)
    }

    /// No grant can be revoked any more.
    pub(crate) fn keep_grants(&self) {
        self.with(|state| state.keeps_grants = true);
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap())
    }

    /// Only this token is accepted from here on.
    pub(crate) fn accept_only(&self, token: &str) {
        self.with(|state| state.valid_token = Some(token.to_owned()));
    }

    /// The next sends fail in this way.
    pub(crate) fn refuse_sends(&self, refusals: impl IntoIterator<Item = ClientError>) {
        self.with(|state| state.refusals.extend(refusals));
    }

    pub(crate) fn show(&self, line: RemoteMessage) {
        self.with(|state| state.chat.push(line));
    }

    pub(crate) fn remove(&self, id: MessageId) {
        self.with(|state| state.chat.retain(|line| line.id != id));
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.with(|state| state.sent.clone())
    }

    pub(crate) fn refreshes(&self) -> u32 {
        self.with(|state| state.refreshes)
    }

    pub(crate) fn reads_of_one(&self) -> u32 {
        self.with(|state| state.reads_of_one)
    }

    fn check(&self, auth: &Auth) -> Result<(), ClientError> {
        self.with(|state| match &state.valid_token {
            Some(valid) if valid != auth.token.expose() => Err(ClientError::Unauthorized),
            _ => Ok(()),
        })
    }
}

#[async_trait]
impl FanvueClient for Fanvue {
    async fn exchange_code(&self, _grant: &AuthorizationGrant) -> Result<TokenSet, ClientError> {
        Err(ClientError::InvalidGrant)
    }

    async fn refresh_tokens(
        &self,
        _app: &AppCredentials,
        _token: &RefreshToken,
    ) -> Result<TokenSet, ClientError> {
        // Others run while the request is under way.
        tokio::task::yield_now().await;
        Ok(self.with(|state| {
            state.refreshes += 1;
            let token = format!("token-{}", state.refreshes);
            state.valid_token = Some(token.clone());
            TokenSet {
                access_token: AccessToken::new(token),
                refresh_token: Some(RefreshToken::new("refresh")),
                expires_in: Duration::from_secs(3_600),
                scopes: None,
            }
        }))
    }

    async fn revoke_token(
        &self,
        _app: &AppCredentials,
        _token: &RefreshToken,
    ) -> Result<(), ClientError> {
        self.with(|state| {
            if state.keeps_grants {
                return Err(ClientError::unavailable("revocation is down"));
            }
            state.revoked += 1;
            Ok(())
        })
    }

    async fn current_user(&self, _auth: &Auth) -> Result<User, ClientError> {
        Ok(User::new(account()))
    }

    async fn managed_creators(
        &self,
        _auth: &Auth,
        _page: &PageRequest,
    ) -> Result<Page<User>, ClientError> {
        Ok(Page::last(Vec::new()))
    }

    async fn subscribe_webhook(
        &self,
        _auth: &Auth,
        _url: &str,
        _events: &[String],
    ) -> Result<SubscribedWebhook, ClientError> {
        Err(ClientError::NotFound)
    }

    async fn webhook_subscriptions(
        &self,
        _auth: &Auth,
    ) -> Result<Vec<WebhookSubscription>, ClientError> {
        Ok(Vec::new())
    }

    async fn unsubscribe_webhook(
        &self,
        _auth: &Auth,
        _subscription: &SubscriptionId,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn chats(
        &self,
        _auth: &Auth,
        _filter: ChatFilter,
        _page: &PageRequest,
    ) -> Result<Page<ChatSummary>, ClientError> {
        Ok(Page::last(Vec::new()))
    }

    async fn messages(
        &self,
        auth: &Auth,
        _fan: FanId,
        _query: &MessageQuery,
    ) -> Result<Page<RemoteMessage>, ClientError> {
        self.check(auth)?;
        Ok(Page::last(
            self.with(|state| state.chat.iter().rev().cloned().collect()),
        ))
    }

    async fn message(
        &self,
        auth: &Auth,
        _fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError> {
        self.check(auth)?;
        self.with(|state| {
            state.reads_of_one += 1;
            let found = state.chat.iter().find(|line| line.id == message);
            found.cloned().ok_or(ClientError::NotFound)
        })
    }

    async fn send_message(
        &self,
        auth: &Auth,
        _fan: FanId,
        outgoing: &OutgoingMessage,
    ) -> Result<MessageId, ClientError> {
        self.check(auth)?;
        let now = self.clock.now();
        self.with(|state| {
            if let Some(refusal) = state.refusals.pop_front() {
                return Err(refusal);
            }
            let text = outgoing.text.clone().unwrap();
            state.sent.push(text.to_string());
            let id = message(900 + u32::try_from(state.sent.len()).unwrap());
            state
                .chat
                .push(RemoteMessage::new(id, account(), Content::text(text), now));
            Ok(id)
        })
    }

    async fn create_chat(&self, _auth: &Auth, _fan: FanId) -> Result<(), ClientError> {
        Ok(())
    }

    async fn mark_read(&self, _auth: &Auth, _fan: FanId) -> Result<(), ClientError> {
        Ok(())
    }

    async fn set_typing(
        &self,
        _auth: &Auth,
        _fan: FanId,
        _typing: Typing,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn unread_counts(&self, _auth: &Auth) -> Result<UnreadCounts, ClientError> {
        Ok(UnreadCounts::default())
    }

    async fn presence(&self, _auth: &Auth, _fans: &[FanId]) -> Result<Vec<Presence>, ClientError> {
        Ok(Vec::new())
    }

    async fn custom_lists(
        &self,
        _auth: &Auth,
        _page: &PageRequest,
    ) -> Result<Page<CustomList>, ClientError> {
        Ok(Page::last(Vec::new()))
    }

    async fn list_members(
        &self,
        _auth: &Auth,
        _list: FanList,
        _page: &PageRequest,
    ) -> Result<Page<FanProfile>, ClientError> {
        Ok(Page::last(Vec::new()))
    }

    fn longest_request(&self) -> Duration {
        Duration::ZERO
    }
}
