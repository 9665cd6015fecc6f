//! Reading chats and messages, with the filters and the two ways of paging.

use uuid::Uuid;

use super::World;
use super::chat::Chat;
use super::error::ApiError;
use super::lists::SmartList;
use super::message::{Message, Origin};
use super::time::Moment;

/// Which chats to list, and in what order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ChatQuery {
    /// All of these must hold.
    pub filters: Vec<ChatFilter>,
    /// The fan must be in one of these, if there are any.
    pub smart_lists: Vec<SmartList>,
    /// The fan must be in this one.
    pub custom_list: Option<Uuid>,
    /// Part of the fan's handle, name or nickname, without regard to case.
    pub search: Option<String>,
    /// The order.
    pub sort: ChatSort,
}

impl ChatQuery {
    /// Unread chats, the most recent first: what a bot polls.
    pub fn unread() -> Self {
        Self {
            filters: vec![ChatFilter::Unread],
            ..Self::default()
        }
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// A filter of `GET /chats`.
    ChatFilter {
        /// Has messages that the creator has not read.
        Unread = "unread",
        /// The fan is signed in.
        Online = "online",
        /// The caller subscribes to the other person.
        SubscribedTo = "subscribed_to",
        /// Not muted.
        NotMuted = "not_muted",
        /// The fan subscribes.
        Subscribers = "subscribers",
        /// The fan follows.
        Followers = "followers",
        /// The fan's subscription began within 30 days.
        RecentSubscribers = "recent_subscribers",
        /// The newest message is the fan's.
        NotAnswered = "not_answered",
        /// The fan has spent more than 50 dollars.
        SpentMoreThan50 = "spent_more_than_50",
        /// The fan's subscription costs nothing.
        OnFreeTrial = "on_free_trial",
        /// The fan has tipped.
        HasTipped = "has_tipped",
        /// The fan has spent anything.
        Spenders = "spenders",
        /// The other person is not a creator.
        ExcludeCreators = "exclude_creators",
    }
}

words! {
    /// An order of `GET /chats`.
    #[derive(Default)]
    ChatSort {
        /// The newest message first.
        #[default]
        MostRecentMessages = "most_recent_messages",
        /// Fans who are online first.
        OnlineNow = "online_now",
        /// The most unread messages first.
        MostUnansweredChats = "most_unanswered_chats",
    }
}

/// Which messages of a chat to list; newest first.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MessageQuery {
    /// How many at most; 0 stands for 15.
    pub limit: usize,
    /// How many of the newest to skip.
    pub skip: usize,
    /// Only messages sent before this moment.
    pub before: Option<Moment>,
}

impl MessageQuery {
    /// The newest `limit` messages.
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Only messages sent before this moment.
    #[must_use]
    pub const fn before(mut self, moment: Moment) -> Self {
        self.before = Some(moment);
        self
    }

    /// Without the newest `skip` messages.
    #[must_use]
    pub const fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }
}

const MONTH: u64 = 30 * 24 * 60 * 60 * 1000;

impl World {
    /// The chats of a creator that the query asks for, in its order. Paging is the caller's.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown custom list.
    pub fn list_chats(
        &self,
        creator: Uuid,
        query: &ChatQuery,
        now: Moment,
    ) -> Result<Vec<(Uuid, &Chat)>, ApiError> {
        let members = match query.custom_list {
            None => None,
            Some(list) => Some(
                &self
                    .creator(creator)
                    .and_then(|account| account.custom_lists.get(&list))
                    .ok_or_else(|| ApiError::not_found("List"))?
                    .members,
            ),
        };
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        let mut found: Vec<(Uuid, &Chat)> = self
            .chats_of(creator)
            .filter(|(fan, chat)| {
                let fan = *fan;
                query
                    .filters
                    .iter()
                    .all(|filter| self.passes(creator, fan, chat, *filter, now))
                    && (query.smart_lists.is_empty()
                        || query
                            .smart_lists
                            .iter()
                            .any(|list| self.is_in_smart_list(creator, fan, *list)))
                    && members.is_none_or(|members| members.contains(&fan))
                    && search
                        .as_ref()
                        .is_none_or(|text| self.is_called(fan, chat, text))
            })
            .collect();
        let last = |chat: &Chat| chat.last().map(|message| message.sent_at);
        match query.sort {
            ChatSort::MostRecentMessages => {
                found.sort_by_key(|(_, chat)| std::cmp::Reverse(last(chat)));
            }
            ChatSort::OnlineNow => found.sort_by_key(|(fan, chat)| {
                std::cmp::Reverse((self.fan(*fan).is_some_and(|f| f.online), last(chat)))
            }),
            ChatSort::MostUnansweredChats => {
                found.sort_by_key(|(_, chat)| std::cmp::Reverse((chat.unread, last(chat))));
            }
        }
        Ok(found)
    }

    /// The messages of a chat that the query asks for, newest first, and whether there are older
    /// ones. Never marks anything as read; see [`read_chat`](Self::read_chat).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no chat.
    pub fn list_messages(
        &self,
        creator: Uuid,
        fan: Uuid,
        query: &MessageQuery,
    ) -> Result<(Vec<&Message>, bool), ApiError> {
        let chat = self
            .chat(creator, fan)
            .ok_or_else(|| ApiError::not_found("Chat"))?;
        let limit = if query.limit == 0 { 15 } else { query.limit };
        let mut older = chat
            .visible()
            .rev()
            .filter(|message| query.before.is_none_or(|before| message.sent_at < before))
            .skip(query.skip);
        let page: Vec<&Message> = older.by_ref().take(limit).collect();
        Ok((page, older.next().is_some()))
    }

    fn is_called(&self, fan: Uuid, chat: &Chat, text: &str) -> bool {
        let has = |name: &str| name.to_lowercase().contains(text);
        self.fan(fan)
            .is_some_and(|f| has(&f.handle) || has(&f.display_name))
            || chat.nickname.as_deref().is_some_and(has)
    }

    fn passes(
        &self,
        creator: Uuid,
        fan: Uuid,
        chat: &Chat,
        filter: ChatFilter,
        now: Moment,
    ) -> bool {
        let subscription = || self.relation(creator, fan)?.subscription.as_ref();
        match filter {
            ChatFilter::Unread => chat.unread > 0,
            ChatFilter::Online => self.fan(fan).is_some_and(|f| f.online && !f.hides_presence),
            ChatFilter::SubscribedTo => false,
            ChatFilter::NotMuted => !chat.is_muted,
            ChatFilter::Subscribers => self.is_in_smart_list(creator, fan, SmartList::Subscribers),
            ChatFilter::Followers => self.is_in_smart_list(creator, fan, SmartList::Followers),
            ChatFilter::RecentSubscribers => {
                subscription().is_some_and(|s| s.active && now.since(s.created_at) <= MONTH)
            }
            ChatFilter::NotAnswered => chat
                .visible()
                .rev()
                .find(|m| m.origin != Origin::Automated)
                .is_some_and(Message::from_fan),
            ChatFilter::SpentMoreThan50 => {
                self.is_in_smart_list(creator, fan, SmartList::SpentMoreThan50)
            }
            ChatFilter::OnFreeTrial => subscription().is_some_and(|s| s.active && s.price == 0),
            ChatFilter::HasTipped => self
                .payments_of(creator)
                .any(|p| p.fan == fan && p.source == "tip"),
            ChatFilter::Spenders => self.payments_of(creator).any(|p| p.fan == fan),
            ChatFilter::ExcludeCreators => self.fan(fan).is_some_and(|f| !f.is_creator),
        }
    }
}
