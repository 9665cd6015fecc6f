//! A Fanvue client without HTTP: calls go straight to a simulated world.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::client::{
    AccessToken, AppCredentials, Auth, AuthorizationGrant, ChatFilter, ChatSummary, ClientError,
    CustomList, FanList, FanvueClient, MarkAsRead, MessageQuery, OutgoingMessage, Presence, Reach,
    RefreshToken, RemoteMessage, SubscribedWebhook, SubscriptionId, TokenSet, Typing, UnreadCounts,
    User, WebhookSubscription,
};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{AccountId, FanId, ListId, MediaId, MessageId};
use fanvue_bot_core::message::{Content, MessageType};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::{Cursor, Page, PageRequest};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::time::{Clock, Timestamp};
use uuid::Uuid;

use crate::simulator::world::{
    self, ApiError, BucketKey, ChatPatch, IssuedTokens, Moment, NewMessage, World,
};

/// A [`FanvueClient`] whose Fanvue is a [`World`] in the same process: no sockets, microseconds a call.
///
/// It answers as the simulator does over HTTP, rate limits, expiring tokens and rotation included. The
/// world is shared: keep a clone of the handle to write as a fan and to see what arrived.
#[derive(Clone)]
pub struct WorldClient {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for WorldClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldClient").finish_non_exhaustive()
    }
}

/// A point in time as the world writes it; times before 1970 become 1970.
#[must_use]
pub fn moment(time: Timestamp) -> Moment {
    Moment::from_millis(u64::try_from(time.as_micros() / 1_000).unwrap_or(0))
}

/// A point in time as the library writes it.
#[must_use]
pub fn timestamp(moment: Moment) -> Timestamp {
    Timestamp::from_millis(i64::try_from(moment.millis()).unwrap_or(i64::MAX / 1_000))
}

/// Tokens of the world as a client would have read them.
#[must_use]
pub fn token_set(tokens: &IssuedTokens) -> TokenSet {
    TokenSet {
        access_token: AccessToken::new(tokens.access.to_string()),
        refresh_token: tokens
            .refresh
            .as_ref()
            .map(|token| RefreshToken::new(token.expose())),
        expires_in: Duration::from_secs(tokens.expires_in),
        scopes: Some(tokens.scopes.iter().cloned().collect()),
    }
}

impl WorldClient {
    /// A client of `world` that takes the time from `clock`.
    #[must_use]
    pub fn new(world: Arc<Mutex<World>>, clock: Arc<dyn Clock>) -> Self {
        Self { world, clock }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        moment(self.clock.now())
    }

    /// The app that the token was issued to.
    fn client_id(&self, auth: &Auth) -> Result<String, ClientError> {
        let token = Uuid::try_parse(auth.token.expose()).map_err(|_| ClientError::Unauthorized)?;
        let access = self.lock().authorize(token, self.now());
        access.map(|access| access.client_id).map_err(refused)
    }

    /// The world, and the account whose chats the call is about, if token and budget allow it.
    fn enter(&self, auth: &Auth) -> Result<(MutexGuard<'_, World>, Uuid), ClientError> {
        let now = self.now();
        let mut world = self.lock();
        let token = Uuid::try_parse(auth.token.expose()).map_err(|_| ClientError::Unauthorized)?;
        let access = world.authorize(token, now).map_err(refused)?;
        let creator = match auth.reach {
            Reach::Own => None,
            Reach::Agency(account) => Some(account.as_uuid()),
        };
        let manages = |creator: &Uuid| {
            let agency = world.creator(access.user);
            agency.is_some_and(|agency| agency.manages.contains(creator))
        };
        if creator.as_ref().is_some_and(|creator| !manages(creator)) {
            return Err(ClientError::NotFound);
        }
        let key = BucketKey::new(access.client_id, access.user, creator);
        if let Some(seconds) = world.draw_request(&key, now).retry_after {
            return Err(ClientError::RateLimited {
                retry_after: Duration::from_secs(seconds),
            });
        }
        Ok((world, creator.unwrap_or(access.user)))
    }
}

/// The same credential for what is asked of the account behind it, and of no creator.
fn own(auth: &Auth) -> Auth {
    Auth {
        reach: Reach::Own,
        ..auth.clone()
    }
}

fn user(world: &World, account: Uuid) -> User {
    let mut user = User::new(AccountId::from_uuid(account));
    if let Some(found) = world.creator(account) {
        user.handle = Some(found.handle.clone());
        user.display_name = Some(found.display_name.clone());
        user.is_creator = Some(!found.is_agency());
    }
    user
}

fn refused(error: ApiError) -> ClientError {
    match error {
        ApiError::Unauthorized => ClientError::Unauthorized,
        ApiError::NotFound(_) => ClientError::NotFound,
        ApiError::Refused(_) => ClientError::NotContactable,
        ApiError::Forbidden(message) => ClientError::Forbidden { message },
        error => ClientError::Rejected {
            message: error.body().to_string(),
        },
    }
}

fn remote(message: &world::Message, creator: Uuid, fan: Uuid) -> RemoteMessage {
    let sender = if message.from_fan() { fan } else { creator };
    let content = Content {
        text: message.text.as_deref().map(Into::into),
        media: message
            .media
            .iter()
            .copied()
            .map(MediaId::from_uuid)
            .collect(),
        has_media: !message.media.is_empty(),
        price: message
            .price
            .map(|cents| Cents::new(i64::try_from(cents).unwrap_or(i64::MAX))),
        fetched: true,
    };
    let mut remote = RemoteMessage::new(
        MessageId::from_uuid(message.uuid),
        AccountId::from_uuid(sender),
        content,
        timestamp(message.sent_at),
    );
    remote.kind = MessageType::from_wire(message.kind.as_str());
    remote.sent_by_user = message.sent_by_user.map(|id| id.to_string());
    remote.purchased_at = message.purchased_at.map(timestamp);
    remote
}

fn skip(page: &PageRequest) -> Result<usize, ClientError> {
    page.after.as_ref().map_or(Ok(0), |cursor| {
        cursor.as_str().parse().map_err(|_| ClientError::Rejected {
            message: "the cursor is not from this list".to_owned(),
        })
    })
}

/// So many items of a list, from the place where the page before ended.
fn part<T>(items: Vec<T>, skip: usize, limit: usize) -> Page<T> {
    let count = items.len();
    let items: Vec<T> = items.into_iter().skip(skip).take(limit).collect();
    let end = skip + items.len();
    let next = (end < count).then(|| Cursor::new(end.to_string()));
    Page { items, next }
}

#[async_trait]
impl FanvueClient for WorldClient {
    async fn exchange_code(&self, grant: &AuthorizationGrant) -> Result<TokenSet, ClientError> {
        let now = self.now();
        let mut world = self.lock();
        world
            .check_client(&grant.app.client_id, grant.app.client_secret.expose())
            .map_err(|_| ClientError::InvalidClient)?;
        let code = grant.code.expose_text().ok_or(ClientError::InvalidGrant)?;
        world
            .exchange_code(
                &grant.app.client_id,
                code,
                &grant.redirect_uri,
                grant.code_verifier.expose(),
                now,
            )
            .map(|tokens| token_set(&tokens))
            .map_err(|_| ClientError::InvalidGrant)
    }

    async fn refresh_tokens(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<TokenSet, ClientError> {
        let now = self.now();
        let mut world = self.lock();
        world
            .check_client(&app.client_id, app.client_secret.expose())
            .map_err(|_| ClientError::InvalidClient)?;
        world
            .refresh(&app.client_id, token.expose(), now)
            .map(|tokens| token_set(&tokens))
            .map_err(|_| ClientError::InvalidGrant)
    }

    async fn revoke_token(
        &self,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<(), ClientError> {
        let mut world = self.lock();
        world
            .check_client(&app.client_id, app.client_secret.expose())
            .map_err(|_| ClientError::InvalidClient)?;
        world.revoke_refresh(&app.client_id, token.expose());
        Ok(())
    }

    async fn current_user(&self, auth: &Auth) -> Result<User, ClientError> {
        let (world, account) = self.enter(&own(auth))?;
        Ok(user(&world, account))
    }

    async fn managed_creators(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<User>, ClientError> {
        let skip = skip(page)?;
        let (world, agency) = self.enter(&own(auth))?;
        let managed = world.creator(agency).map(|agency| &agency.manages);
        let count = managed.map_or(0, BTreeSet::len);
        let items: Vec<User> = managed
            .into_iter()
            .flatten()
            .skip(skip)
            .take(page.limit)
            .map(|creator| user(&world, *creator))
            .collect();
        let end = skip + items.len();
        let next = (end < count).then(|| Cursor::new(end.to_string()));
        Ok(Page { items, next })
    }

    async fn subscribe_webhook(
        &self,
        auth: &Auth,
        url: &str,
        events: &[String],
    ) -> Result<SubscribedWebhook, ClientError> {
        let client_id = self.client_id(auth)?;
        let (mut world, account) = self.enter(&own(auth))?;
        let made = world
            .subscribe_webhook(&client_id, account, url, events)
            .map_err(refused)?;
        Ok(SubscribedWebhook {
            id: SubscriptionId::new(made.id.to_string()),
            secret: Secret::new(made.secret.expose()),
        })
    }

    async fn webhook_subscriptions(
        &self,
        auth: &Auth,
    ) -> Result<Vec<WebhookSubscription>, ClientError> {
        let client_id = self.client_id(auth)?;
        let (world, account) = self.enter(&own(auth))?;
        Ok(world
            .webhook_subscriptions(&client_id, account)
            .map(|subscription| WebhookSubscription {
                id: SubscriptionId::new(subscription.id.to_string()),
                url: subscription.url.clone(),
                events: subscription.events.iter().cloned().collect(),
            })
            .collect())
    }

    async fn unsubscribe_webhook(
        &self,
        auth: &Auth,
        subscription: &SubscriptionId,
    ) -> Result<(), ClientError> {
        let client_id = self.client_id(auth)?;
        let (mut world, account) = self.enter(&own(auth))?;
        let Ok(id) = subscription.as_str().parse() else {
            return Ok(());
        };
        match world.unsubscribe_webhook(&client_id, account, id) {
            Ok(()) | Err(ApiError::NotFound(_)) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    async fn chats(
        &self,
        auth: &Auth,
        filter: ChatFilter,
        page: &PageRequest,
    ) -> Result<Page<ChatSummary>, ClientError> {
        let now = self.now();
        let skip = skip(page)?;
        let (world, account) = self.enter(auth)?;
        let query = match filter {
            ChatFilter::Unread => world::ChatQuery::unread(),
            _ => world::ChatQuery::default(),
        };
        let found = world.list_chats(account, &query, now).map_err(refused)?;
        let items: Vec<ChatSummary> = found
            .iter()
            .skip(skip)
            .take(page.limit)
            .map(|(fan, chat)| {
                let mut summary = ChatSummary::new(FanProfile::new(FanId::from_uuid(*fan)));
                summary.is_read = chat.unread == 0;
                summary.unread_messages = chat.unread;
                summary.last_message_at = chat.last().map(|message| timestamp(message.sent_at));
                summary.last_message = chat
                    .last()
                    .map(|message| MessageId::from_uuid(message.uuid));
                summary
            })
            .collect();
        let end = skip + items.len();
        let next = (end < found.len()).then(|| Cursor::new(end.to_string()));
        Ok(Page { items, next })
    }

    async fn messages(
        &self,
        auth: &Auth,
        fan: FanId,
        query: &MessageQuery,
    ) -> Result<Page<RemoteMessage>, ClientError> {
        let now = self.now();
        let skip = skip(&query.page)?;
        let (mut world, account) = self.enter(auth)?;
        let fan = fan.as_uuid();
        let listing = world::MessageQuery::newest(query.page.limit).skip(skip);
        let (found, more) = world
            .list_messages(account, fan, &listing)
            .map_err(refused)?;
        let items: Vec<RemoteMessage> = found
            .iter()
            .map(|message| remote(message, account, fan))
            .collect();
        let next = more.then(|| Cursor::new((skip + items.len()).to_string()));
        if query.mark_as_read == MarkAsRead::Yes {
            world.read_chat(account, fan, now);
        }
        Ok(Page { items, next })
    }

    async fn message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: MessageId,
    ) -> Result<RemoteMessage, ClientError> {
        let (world, account) = self.enter(auth)?;
        world
            .chat(account, fan.as_uuid())
            .and_then(|chat| chat.message(message.as_uuid()))
            .filter(|message| message.deleted_at.is_none())
            .map(|message| remote(message, account, fan.as_uuid()))
            .ok_or(ClientError::NotFound)
    }

    async fn send_message(
        &self,
        auth: &Auth,
        fan: FanId,
        message: &OutgoingMessage,
    ) -> Result<MessageId, ClientError> {
        let now = self.now();
        let (mut world, account) = self.enter(auth)?;
        let mut new = NewMessage::text(message.text.as_deref().unwrap_or_default())
            .with_media(message.media.iter().map(MediaId::as_uuid).collect());
        if let Some(price) = message.price {
            new = new.priced(u64::try_from(price.get()).unwrap_or(0));
        }
        world
            .send_message(account, fan.as_uuid(), new, now)
            .map(MessageId::from_uuid)
            .map_err(refused)
    }

    async fn create_chat(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        let now = self.now();
        let (mut world, account) = self.enter(auth)?;
        world
            .open_chat(account, fan.as_uuid(), now)
            .map_err(refused)
    }

    async fn mark_read(&self, auth: &Auth, fan: FanId) -> Result<(), ClientError> {
        let now = self.now();
        let (mut world, account) = self.enter(auth)?;
        world
            .patch_chat(account, fan.as_uuid(), ChatPatch::read(), now)
            .map_err(refused)
    }

    async fn set_typing(&self, auth: &Auth, fan: FanId, typing: Typing) -> Result<(), ClientError> {
        let (mut world, account) = self.enter(auth)?;
        let typing = match typing {
            Typing::Started => world::Typing::Started,
            Typing::Stopped => world::Typing::Stopped,
        };
        world
            .typing(account, fan.as_uuid(), typing)
            .map_err(refused)
    }

    async fn unread_counts(&self, auth: &Auth) -> Result<UnreadCounts, ClientError> {
        let (world, account) = self.enter(auth)?;
        let unread: Vec<u64> = world
            .chats_of(account)
            .map(|(_, chat)| chat.unread)
            .filter(|unread| *unread > 0)
            .collect();
        Ok(UnreadCounts {
            chats: u64::try_from(unread.len()).unwrap_or(u64::MAX),
            messages: unread.iter().sum(),
        })
    }

    async fn presence(&self, auth: &Auth, fans: &[FanId]) -> Result<Vec<Presence>, ClientError> {
        if fans.len() > 100 {
            return Err(ClientError::Rejected {
                message: "userUuids must hold at most 100 ids".to_owned(),
            });
        }
        let (world, _) = self.enter(auth)?;
        Ok(fans
            .iter()
            .filter_map(|id| {
                let fan = world.fan(id.as_uuid())?;
                let seen = !fan.hides_presence;
                Some(Presence {
                    fan: *id,
                    online: fan.online && seen,
                    last_seen_at: None,
                })
            })
            .collect())
    }

    async fn custom_lists(
        &self,
        auth: &Auth,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, ClientError> {
        let skip = skip(page)?;
        let (world, account) = self.enter(auth)?;
        let lists = world.creator(account).map(|account| &account.custom_lists);
        let lists: Vec<CustomList> = lists
            .into_iter()
            .flat_map(|lists| lists.values())
            .map(|list| CustomList {
                id: ListId::from_uuid(list.uuid),
                name: list.name.clone(),
                members: u64::try_from(list.members.len()).ok(),
            })
            .collect();
        Ok(part(lists, skip, page.limit))
    }

    async fn list_members(
        &self,
        auth: &Auth,
        list: FanList,
        page: &PageRequest,
    ) -> Result<Page<FanProfile>, ClientError> {
        let skip = skip(page)?;
        let (world, account) = self.enter(auth)?;
        let members: Vec<Uuid> = match list {
            FanList::Smart(list) => {
                let list = world::SmartList::parse(list.as_str()).ok_or(ClientError::NotFound)?;
                world.smart_list(account, list)
            }
            FanList::Custom(list) => {
                let lists = world.creator(account).map(|account| &account.custom_lists);
                let list = lists.and_then(|lists| lists.get(&list.as_uuid()));
                let members = list.map(|list| &list.members);
                members
                    .ok_or(ClientError::NotFound)?
                    .iter()
                    .copied()
                    .collect()
            }
        };
        let page = part(members, skip, page.limit);
        let profile = |member: Uuid| {
            let mut profile = FanProfile::new(FanId::from_uuid(member));
            if let Some(fan) = world.fan(member) {
                profile.handle = Some(fan.handle.as_str().into());
                profile.display_name = Some(fan.display_name.as_str().into());
            }
            profile
        };
        Ok(Page {
            items: page.items.into_iter().map(profile).collect(),
            next: page.next,
        })
    }

    fn longest_request(&self) -> Duration {
        Duration::ZERO
    }
}
