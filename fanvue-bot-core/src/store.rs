//! The port to the system of record: creators, conversations, messages, leases.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::decision::Decision;
use crate::id::{AccountId, ConversationId, CreatorId, MessageId};
use crate::message::{Content, Message, TokenCount};
use crate::page::{Page, PageRequest};
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};
use crate::time::Timestamp;

/// One atomic change of one aggregate: all of it becomes durable, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A creator is added or replaced. `expected` is the creator's revision.
    Creator(Box<Creator>),
    /// A conversation moves on. `expected` is the conversation's revision.
    Conversation(Box<ConversationChange>),
}

/// The new state of a conversation and the rows that change with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationChange {
    /// The new state.
    pub conversation: Conversation,
    /// Messages that are new; each belongs to this conversation.
    pub messages: Vec<Message>,
    /// Contents of stored messages that are known better now.
    pub contents: Vec<ContentUpdate>,
    /// Decisions on stored or new messages of this conversation; the last one for a message counts.
    pub decisions: Vec<(MessageId, Decision)>,
}

impl ConversationChange {
    /// The new state, without further rows.
    #[must_use]
    pub const fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            messages: Vec::new(),
            contents: Vec::new(),
            decisions: Vec::new(),
        }
    }
}

impl From<ConversationChange> for Change {
    fn from(change: ConversationChange) -> Self {
        Self::Conversation(Box::new(change))
    }
}

impl From<Creator> for Change {
    fn from(creator: Creator) -> Self {
        Self::Creator(Box::new(creator))
    }
}

/// What a stored message says, known better now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters take it apart")]
pub struct ContentUpdate {
    /// Which message.
    pub message: MessageId,
    /// What it says.
    pub content: Content,
    /// Its length in tokens.
    pub tokens: Option<TokenCount>,
}

/// Names something that one process at a time may do, such as refreshing one grant's token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseName(Box<str>);

impl LeaseName {
    /// The lease of this name, cut to 200 bytes at a character boundary.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let mut name = name.into();
        name.truncate(name.floor_char_boundary(200));
        Self(name.into_boxed_str())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names who takes a lease; unique per task, since a holder that asks again gets its lease extended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HolderId(Arc<str>);

impl HolderId {
    /// The holder of this name.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A lease that was granted.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Lease {
    /// Which.
    pub name: LeaseName,
    /// To whom.
    pub holder: HolderId,
    /// Grows with each grant to a new holder, also after a release; stays when a holder extends.
    pub fence: u64,
    /// Until when.
    pub until: Timestamp,
}

/// The system of record.
///
/// Every method is atomic and cancel-safe: a dropped future leaves the old state or the new one. Reads see
/// every commit that has returned. No method returns another creator's rows.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The creator with this id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn creator(&self, id: CreatorId) -> Result<Option<Versioned<Creator>>, StoreError>;

    /// The creator who is connected to this Fanvue account.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn creator_by_account(
        &self,
        account: AccountId,
    ) -> Result<Option<Versioned<Creator>>, StoreError>;

    /// The state of a conversation.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError>;

    /// The messages of a conversation, the last sent first; those sent at the same time in descending
    /// order of their ids. A message that is added while pages are read appears at most once.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from this list.
    async fn messages(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Message>, StoreError>;

    /// One message of a conversation.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn message(
        &self,
        id: ConversationId,
        message: MessageId,
    ) -> Result<Option<Message>, StoreError>;

    /// Makes a change, all or nothing, durable when this returns. `expected` is the revision that the
    /// change builds on; `None` means that the aggregate must not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the stored revision is another one, if a new message exists already in
    /// this conversation, or if another creator has the account; [`StoreError::Rejected`] if a row names
    /// another conversation or a message that does not exist. Nothing is changed then.
    async fn commit(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError>;

    /// Takes the lease if it is free, lapsed, or held by this holder already, until `now + ttl`, when it
    /// lapses. `None` if somebody else holds it.
    ///
    /// Where several hosts share a store, its own clock decides; `now` serves memory, SQLite and virtual
    /// time.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn acquire_lease(
        &self,
        name: &LeaseName,
        holder: &HolderId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError>;

    /// Gives a lease back. One that has been taken over meanwhile is left alone.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn release_lease(&self, lease: Lease) -> Result<(), StoreError>;
}

/// Why a store refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What the change builds on is no longer the newest: read again and decide again.
    #[error("the data was changed by someone else")]
    Conflict,
    /// The change contradicts itself or the data.
    #[error("the change is not valid: {reason}")]
    Rejected {
        /// Which field, and why.
        reason: String,
    },
    /// The cursor does not belong to this list.
    #[error("the page cursor is not from this list; start again without one")]
    InvalidCursor,
    /// A stored value does not read back; a newer version of the library may have written it.
    #[error("stored data does not read back: {reason}")]
    Corrupt {
        /// Which table and field.
        reason: String,
    },
    /// The store did not answer.
    #[error("the store is unavailable")]
    Unavailable {
        /// The adapter's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// The store did not answer because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Conflict => Retry::Reconcile,
            Self::Rejected { .. } | Self::InvalidCursor | Self::Corrupt { .. } => Retry::Never,
            Self::Unavailable { .. } => Retry::Backoff,
        }
    }
}

macro_rules! forward_store {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: Store + ?Sized> Store for $($pointer)::+<S> {
            async fn creator(&self, id: CreatorId) -> Result<Option<Versioned<Creator>>, StoreError> {
                (**self).creator(id).await
            }

            async fn creator_by_account(&self, account: AccountId) -> Result<Option<Versioned<Creator>>, StoreError> {
                (**self).creator_by_account(account).await
            }

            async fn conversation(&self, id: ConversationId) -> Result<Option<Versioned<Conversation>>, StoreError> {
                (**self).conversation(id).await
            }

            async fn messages(&self, id: ConversationId, page: &PageRequest) -> Result<Page<Message>, StoreError> {
                (**self).messages(id, page).await
            }

            async fn message(&self, id: ConversationId, message: MessageId) -> Result<Option<Message>, StoreError> {
                (**self).message(id, message).await
            }

            async fn commit(&self, change: &Change, expected: Option<Revision>) -> Result<Revision, StoreError> {
                (**self).commit(change, expected).await
            }

            async fn acquire_lease(
                &self,
                name: &LeaseName,
                holder: &HolderId,
                now: Timestamp,
                ttl: Duration,
            ) -> Result<Option<Lease>, StoreError> {
                (**self).acquire_lease(name, holder, now, ttl).await
            }

            async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
                (**self).release_lease(lease).await
            }
        }
    };
}
forward_store!(Arc);
forward_store!(Box);
