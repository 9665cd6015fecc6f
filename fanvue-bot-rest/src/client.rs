//! The client: which request each method of the port makes, and what its answer means.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::client::{
    AppCredentials, Auth, AuthorizationGrant, ChatFilter, ChatSummary, ClientError, CustomList,
    FanList, FanvueClient, MarkAsRead, MessageQuery, OutgoingMessage, Presence, Reach,
    RefreshToken, RemoteMessage, SubscribedWebhook, SubscriptionId, TokenSet, Typing, UnreadCounts,
    User, WebhookSubscription,
};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{FanId, MessageId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::redact::Sent;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Serialize;

use crate::base_url::BaseUrl;
use crate::budget::{Bucket, Gate};
use crate::builder::RestClientBuilder;
use crate::classify::{Effect, Judge, Subject, says_chat_exists};
use crate::cursor::{FirstPage, MAX_PAGE, Query, Step};
use crate::family::PathFamily;
use crate::fault::Fault;
use crate::headers::{label, told};
use crate::oauth::OAuthEndpoints;
use crate::transport::{Answer, Transport};
use crate::wire::FromAnswer;
use crate::wire::chat::ChatWire;
use crate::wire::fan_list::{CustomListWire, MemberWire};
use crate::wire::list::List;
use crate::wire::message::MessageWire;
use crate::wire::outgoing::{ChatChange, NewChat, OutgoingWire, TypingSignal};
use crate::wire::presence::{PresenceQuestion, PresenceWire};
use crate::wire::subscription::{NewSubscription, SubscriptionWire, is_segment};
use crate::wire::user::UserWire;

/// How many pages of a chat are searched for one message where it cannot be asked for by its id: the
/// newest 250 messages.
const SEARCHED_PAGES: usize = 5;

/// Where webhooks are subscribed.
const SUBSCRIPTIONS: &str = "webhooks/subscriptions";

/// The most fans of one presence question.
const MAX_PRESENCE: usize = 100;

/// [`FanvueClient`] over Fanvue's REST API. Cheap to clone; clones share connections and budgets.
///
/// Safe to share between creators: each call brings its credential, and nothing of it is kept. Requests are made
/// within a [`Budget`](fanvue_bot_core::rate::Budget), which is asked for each and told what each answer says.
///
/// What [`Reach::Agency`] cannot do, for Fanvue documents no such path, is
/// [`ClientError::Rejected`] without a request: [`set_typing`](FanvueClient::set_typing),
/// [`unread_counts`](FanvueClient::unread_counts) and [`presence`](FanvueClient::presence).
/// [`current_user`](FanvueClient::current_user) is always the account behind the token, and so the
/// agency's; so are [`managed_creators`](FanvueClient::managed_creators) and the webhook subscriptions. [`ChatFilter::Unread`] is applied here, since the agency's list takes no filter.
///
/// [`message`](FanvueClient::message) is one request on [`PathFamily::V1`] with [`Reach::Own`]. Otherwise
/// it searches the newest 250 messages of the chat, and [`ClientError::NotFound`] means that it is not
/// among them.
#[derive(Clone)]
pub struct RestClient {
    transport: Transport,
    api: BaseUrl,
    oauth: OAuthEndpoints,
    family: PathFamily,
    version: HeaderValue,
    gate: Gate,
    deprecation_told: Arc<AtomicBool>,
}

impl RestClient {
    /// Settings to begin with.
    pub fn builder() -> RestClientBuilder {
        RestClientBuilder::default()
    }

    pub(crate) fn new(
        transport: Transport,
        api: BaseUrl,
        auth: BaseUrl,
        family: PathFamily,
        version: HeaderValue,
        gate: Gate,
    ) -> Self {
        Self {
            transport,
            api,
            oauth: OAuthEndpoints::new(auth),
            family,
            version,
            gate,
            deprecation_told: Arc::new(AtomicBool::new(false)),
        }
    }

    /// How many requests this client would send for `auth` right now before it answers
    /// [`ClientError::RateLimited`] by itself, as far as this process knows.
    #[must_use]
    pub fn requests_left(&self, auth: &Auth) -> u32 {
        self.gate
            .budget()
            .left(&Bucket::General.of(auth, auth.reach))
    }

    /// Makes `call` and answers with a 2xx, or with what went wrong.
    async fn call<B: Serialize + Sync>(
        &self,
        auth: &Auth,
        call: Call<'_, B>,
    ) -> Result<Answer, ClientError> {
        let answer = self.send(auth, &call).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(call.judge(auth).refusal(&answer))
    }

    /// Makes `call` and reads the JSON of its answer.
    async fn fetch<T: FromAnswer, B: Serialize + Sync>(
        &self,
        auth: &Auth,
        call: Call<'_, B>,
    ) -> Result<T, ClientError> {
        let judge = call.judge(auth);
        judge.json(self.call(auth, call).await?)
    }

    /// Makes `call` within the budget. Answers with any status but 429.
    async fn send<B: Serialize + Sync>(
        &self,
        auth: &Auth,
        call: &Call<'_, B>,
    ) -> Result<Answer, ClientError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", auth.token.expose()))
            .map_err(|_| ClientError::Unauthorized)?;
        if auth.token.expose().is_empty() {
            return Err(ClientError::Unauthorized);
        }
        bearer.set_sensitive(true);

        let reach = call.reach.unwrap_or(auth.reach);
        let principal = call.bucket.of(auth, reach);
        self.gate.take(&principal, auth.class).await?;

        let mut url = self.api.join(&self.family.path(reach, &call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self
            .transport
            .http()
            .request(call.method.clone(), url)
            .header(AUTHORIZATION, bearer)
            .header("x-fanvue-api-version", self.version.clone());
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let judge = call.judge(auth);
        let request = request
            .build()
            .map_err(|error| judge.fault(Fault::from(error)))?;
        let answer = self.transport.exchange(request).await;
        let answer = answer.map_err(|fault| judge.fault(fault))?;

        tracing::debug!(
            route = call.route,
            status = answer.status.as_u16(),
            request_id = label(&answer.headers, "x-request-id"),
            "fanvue answered"
        );
        self.tell_deprecation(&answer);
        let told = told(&answer.headers);
        self.gate.learn(&principal, told, &answer).await?;
        Ok(answer)
    }

    /// Warns once that the API version will end.
    fn tell_deprecation(&self, answer: &Answer) {
        let headers = &answer.headers;
        if !headers.contains_key("deprecation") && !headers.contains_key("sunset") {
            return;
        }
        if !self.deprecation_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                sunset = label(headers, "sunset"),
                next_version = label(headers, "x-fanvue-api-next-version"),
                "fanvue will retire this version of its API"
            );
        }
    }

    /// One page of a chat's messages.
    async fn list_messages(
        &self,
        auth: &Auth,
        fan: FanId,
        page: &PageRequest,
        mark_as_read: MarkAsRead,
    ) -> Result<Page<RemoteMessage>, ClientError> {
        let step = Step::new(page)?;
        let mut query = step.query(match self.family {
            PathFamily::V1 => FirstPage::Limit,
            PathFamily::Legacy => FirstPage::Numbered,
        });
        let mark = mark_as_read == MarkAsRead::Yes;
        query.push(("markAsRead", mark.to_string()));
        let call = Call::get("chats/{fan}/messages", format!("/chats/{fan}/messages"));
        let list: List<MessageWire> = self.fetch(auth, call.query(query)).await?;
        Ok(list.page(&step, MessageWire::into_message))
    }

    /// Looks for `message` among the newest of the chat.
    async fn search_message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError> {
        let limit = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
        let mut request = PageRequest::first(limit);
        for _ in 0..SEARCHED_PAGES {
            let page = self
                .list_messages(auth, fan, &request, MarkAsRead::No)
                .await?;
            if let Some(found) = page.items.into_iter().find(|item| item.id == message) {
                return Ok(found);
            }
            match page.next {
                Some(cursor) => request = PageRequest::after(limit, cursor),
                None => break,
            }
        }
        Err(ClientError::NotFound)
    }
}

impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClient")
            .field("api", &self.api)
            .field("oauth", &self.oauth)
            .field("family", &self.family)
            .field("version", &self.version)
            .field("budget", self.gate.budget())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl FanvueClient for RestClient {
    async fn exchange_code(&self, grant: &AuthorizationGrant) -> Result<TokenSet, ClientError> {
        self.oauth
            .exchange(&self.transport, &self.gate, grant)
            .await
    }

    async fn refresh_tokens(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<TokenSet, ClientError> {
        self.oauth
            .refresh(&self.transport, &self.gate, app, token)
            .await
    }

    async fn revoke_token(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<(), ClientError> {
        self.oauth
            .revoke(&self.transport, &self.gate, app, token)
            .await
    }

    async fn current_user(&self, auth: &Auth) -> Result<User, ClientError> {
        let call = Call::get("users/me", "/users/me".to_owned()).own();
        self.fetch(auth, call).await
    }

    async fn managed_creators(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<User>, ClientError> {
        let step = Step::new(page)?;
        let query = step.query(FirstPage::Numbered);
        let call = Call::get("creators", "/creators".to_owned()).own();
        let list: List<UserWire> = self.fetch(auth, call.query(query)).await?;
        Ok(list.page(&step, UserWire::into_user))
    }

    async fn subscribe_webhook(
        &self,
        auth: &Auth,
        url: &str,
        events: &[String],
    ) -> Result<SubscribedWebhook, ClientError> {
        let call = Call::new(Method::POST, SUBSCRIPTIONS, format!("/{SUBSCRIPTIONS}"))
            .body(NewSubscription { url, events })
            .own()
            .once();
        self.fetch(auth, call).await
    }

    async fn webhook_subscriptions(
        &self,
        auth: &Auth,
    ) -> Result<Vec<WebhookSubscription>, ClientError> {
        let call = Call::get(SUBSCRIPTIONS, format!("/{SUBSCRIPTIONS}")).own();
        let list: List<SubscriptionWire> = self.fetch(auth, call).await?;
        // Fanvue documents no pages for it.
        let step = Step::new(&PageRequest::first(1))?;
        Ok(list.page(&step, SubscriptionWire::into_subscription).items)
    }

    async fn unsubscribe_webhook(
        &self,
        auth: &Auth,
        subscription: &SubscriptionId,
    ) -> Result<(), ClientError> {
        if !is_segment(subscription.as_str()) {
            return Err(rejected("a subscription's id is one segment of a path"));
        }
        let path = format!("/{SUBSCRIPTIONS}/{subscription}");
        let call = Call::new(Method::DELETE, "webhooks/subscriptions/{id}", path).own();
        match self.call(auth, call).await {
            Ok(_) | Err(ClientError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn chats(
        &self,
        auth: &Auth,
        filter: ChatFilter,
        page: &PageRequest,
    ) -> Result<Page<ChatSummary>, ClientError> {
        let step = Step::new(page)?;
        let mut query = step.query(self.family.first_page());
        let unread_only = matches!(filter, ChatFilter::Unread);
        if unread_only && auth.reach == Reach::Own {
            query.push(("filter", "unread".to_owned()));
        }
        let call = Call::get("chats", "/chats".to_owned()).query(query);
        let list: List<ChatWire> = self.fetch(auth, call).await?;
        let mut page = list.page(&step, ChatWire::into_summary);
        if unread_only && auth.reach != Reach::Own {
            page.items
                .retain(|chat| !chat.is_read || chat.unread_messages > 0);
        }
        Ok(page)
    }

    async fn messages(
        &self,
        auth: &Auth,
        fan: FanId,
        query: &MessageQuery,
    ) -> Result<Page<RemoteMessage>, ClientError> {
        self.list_messages(auth, fan, &query.page, query.mark_as_read)
            .await
    }

    async fn message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError> {
        if !self.family.has_single_message(auth.reach) {
            return self.search_message(auth, fan, message).await;
        }
        let path = format!("/chats/{fan}/messages/{message}");
        let call = Call::get("chats/{fan}/messages/{message}", path);
        self.fetch(auth, call).await
    }

    async fn send_message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: &OutgoingMessage,
    ) -> Result<MessageId, ClientError> {
        let body = OutgoingWire::new(message).map_err(rejected)?;
        let call = Call::new(
            Method::POST,
            "chats/{fan}/message",
            format!("/chats/{fan}/message"),
        )
        .body(body)
        .once()
        .about_contact()
        .words(message.text.as_deref().unwrap_or_default());
        self.fetch(auth, call).await
    }

    async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        let call = Call::new(Method::POST, "chats", "/chats".to_owned())
            .body(NewChat { user_uuid: fan })
            .about_contact();
        let answer = self.send(auth, &call).await?;
        if answer.status.is_success() || says_chat_exists(&answer) {
            return Ok(());
        }
        Err(call.judge(auth).refusal(&answer))
    }

    async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        let call = Call::new(Method::PATCH, "chats/{fan}", format!("/chats/{fan}"))
            .body(ChatChange { is_read: true });
        self.call(auth, call).await.map(drop)
    }

    async fn set_typing(&self, auth: &Auth, fan: FanId, typing: Typing) -> Result<(), ClientError> {
        own_only(auth, "the typing signal")?;
        let is_typing = typing == Typing::Started;
        let path = format!("/chats/{fan}/typing");
        let call =
            Call::new(Method::POST, "chats/{fan}/typing", path).body(TypingSignal { is_typing });
        self.call(auth, call).await.map(drop)
    }

    async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError> {
        own_only(auth, "the unread count")?;
        let call = Call::get("chats/unread", "/chats/unread".to_owned());
        self.fetch(auth, call).await
    }

    async fn presence(&self, auth: &Auth, fans: &[FanId]) -> Result<Vec<Presence>, ClientError> {
        own_only(auth, "presence")?;
        if fans.len() > MAX_PRESENCE {
            return Err(rejected("presence is asked for at most 100 fans at once"));
        }
        if fans.is_empty() {
            return Ok(Vec::new());
        }
        let call = Call::new(Method::POST, "chats/statuses", "/chats/statuses".to_owned())
            .body(PresenceQuestion { user_uuids: fans })
            .bucket(Bucket::Statuses);
        let known: PresenceWire = self.fetch(auth, call).await?;
        Ok(known.of(fans))
    }

    async fn custom_lists(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, ClientError> {
        let step = Step::new(page)?;
        let query = step.query(self.family.first_page());
        let call = Call::get("chats/lists/custom", "/chats/lists/custom".to_owned());
        let list: List<CustomListWire> = self.fetch(auth, call.query(query)).await?;
        Ok(list.page(&step, CustomListWire::into_list))
    }

    async fn list_members(
        &self,
        auth: &Auth,
        list: FanList,
        page: &PageRequest,
    ) -> Result<Page<FanProfile>, ClientError> {
        let step = Step::new(page)?;
        let query = step.query(self.family.first_page());
        let call = match list {
            FanList::Smart(list) => Call::get(
                "chats/lists/smart/{list}",
                format!("/chats/lists/smart/{list}"),
            ),
            FanList::Custom(list) => Call::get(
                "chats/lists/custom/{list}",
                format!("/chats/lists/custom/{list}"),
            ),
        };
        let members: List<MemberWire> = self.fetch(auth, call.query(query)).await?;
        Ok(members.page(&step, MemberWire::into_fan))
    }

    fn longest_request(&self) -> Duration {
        self.transport.request_timeout() + self.gate.adds()
    }
}

/// A request without a body.
type NoBody = ();

/// One call of the API: what to send, and how to judge the answer.
struct Call<'a, B = NoBody> {
    method: Method,
    /// The path without ids, for the log.
    route: &'static str,
    /// The path below the family's prefix and the reach's.
    path: String,
    query: Query,
    body: Option<B>,
    /// Whose paths, if not those of the credential.
    reach: Option<Reach>,
    bucket: Bucket,
    effect: Effect,
    subject: Subject,
    /// What of the body is text for people.
    words: &'a str,
}

impl Call<'_> {
    fn get(route: &'static str, path: String) -> Self {
        Self::new(Method::GET, route, path)
    }

    fn new(method: Method, route: &'static str, path: String) -> Self {
        Self {
            method,
            route,
            path,
            query: Query::new(),
            body: None,
            reach: None,
            bucket: Bucket::General,
            effect: Effect::Repeatable,
            subject: Subject::Other,
            words: "",
        }
    }
}

impl<'a, B> Call<'a, B> {
    fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    fn body<C>(self, body: C) -> Call<'a, C> {
        Call {
            method: self.method,
            route: self.route,
            path: self.path,
            query: self.query,
            body: Some(body),
            reach: self.reach,
            bucket: self.bucket,
            effect: self.effect,
            subject: self.subject,
            words: self.words,
        }
    }

    /// The same for every reach.
    fn own(mut self) -> Self {
        self.reach = Some(Reach::Own);
        self
    }

    fn bucket(mut self, bucket: Bucket) -> Self {
        self.bucket = bucket;
        self
    }

    fn once(mut self) -> Self {
        self.effect = Effect::Once;
        self
    }

    fn about_contact(mut self) -> Self {
        self.subject = Subject::Contact;
        self
    }

    fn words(mut self, words: &'a str) -> Self {
        self.words = words;
        self
    }

    fn judge<'b>(&self, auth: &'b Auth) -> Judge<'b>
    where
        'a: 'b,
    {
        Judge {
            effect: self.effect,
            subject: self.subject,
            sent: vec![Sent::Secret(auth.token.expose()), Sent::Words(self.words)],
        }
    }
}

/// Refuses what Fanvue documents for the own account only.
fn own_only(auth: &Auth, what: &str) -> Result<(), ClientError> {
    match auth.reach {
        Reach::Own => Ok(()),
        Reach::Agency(_) => Err(ClientError::Rejected {
            message: format!("fanvue offers {what} for the own account only, not to agencies"),
        }),
    }
}

fn rejected(message: &str) -> ClientError {
    ClientError::Rejected {
        message: message.to_owned(),
    }
}
