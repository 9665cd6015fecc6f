//! The port to the system of record: creators, conversations, fans, messages, leases.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::decision::Decision;
use crate::fan::FanProfile;
use crate::id::{AccountId, ConversationId, CreatorId, MessageId, TransactionId};
use crate::ledger::Transaction;
use crate::message::{Content, Message, TokenCount};
use crate::page::{Page, PageRequest};
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};
use crate::settings::InvalidSettings;
use crate::text::text_newtype;
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
///
/// The rows are applied in the order of the fields, so a message may be new, learned, decided on and
/// deleted in one change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationChange {
    /// The new state.
    pub conversation: Conversation,
    /// What is known of the conversation's fan now. Fields that are `None` leave what is stored.
    pub fan: Option<FanProfile>,
    /// Messages that are new; each belongs to this conversation. One that has
    /// [`deleted_at`](Message::deleted_at) set, because its deletion was heard of first, is stored
    /// without what it says.
    pub messages: Vec<Message>,
    /// Contents of stored or new messages that are known better now. Nothing comes back to a message
    /// that is deleted, be it by this change.
    pub contents: Vec<ContentUpdate>,
    /// Decisions on stored or new messages of this conversation; the last one for a message counts.
    pub decisions: Vec<(MessageId, Decision)>,
    /// Stored or new messages of this conversation that were deleted, and when; the earliest time for a
    /// message counts, also across changes. What they say and their token counts are erased, as
    /// [`Message::delete`] does; everything else about them stays.
    pub deletions: Vec<(MessageId, Timestamp)>,
    /// Transactions that are new; each belongs to this conversation.
    pub transactions: Vec<Transaction>,
}

impl ConversationChange {
    /// The new state, without further rows.
    #[must_use]
    pub const fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            fan: None,
            messages: Vec::new(),
            contents: Vec::new(),
            decisions: Vec::new(),
            deletions: Vec::new(),
            transactions: Vec::new(),
        }
    }
}

impl Change {
    /// Checks what a change must fulfil whatever is stored. Every store does this before anything else.
    ///
    /// # Errors
    /// [`StoreError::InvalidSettings`] if the creator's settings, or what is different for a fan,
    /// contradict themselves or each other; [`StoreError::Rejected`] if the persona's
    /// [`bot_answer`](crate::persona::Persona::bot_answer) has something in it that no reply may have.
    pub fn validate(&self) -> Result<(), StoreError> {
        match self {
            Self::Creator(creator) => {
                creator.settings.validate()?;
                match creator.persona.forbidden_answer() {
                    Some(violation) => Err(StoreError::Rejected {
                        reason: format!("persona.bot_answer: {violation}"),
                    }),
                    None => Ok(()),
                }
            }
            Self::Conversation(change) => Ok(change.conversation.overrides.validate()?),
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

/// A conversation that is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Due {
    /// Which.
    pub conversation: ConversationId,
    /// Its [`Conversation::wake_at`].
    pub wake_at: Timestamp,
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there may be more to erase or there is not"
)]
pub enum Erased {
    /// There may be more to erase: call again.
    Some,
    /// Nothing is left of what was to be erased.
    All,
}

text_newtype! {
    /// Names something that one process at a time may do, such as refreshing one grant's token.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub struct LeaseName(Box<str>, cut at 200);

    /// The lease of this name, cut to 200 bytes at a character boundary.
    new;

    /// The name.
    as_str;
}

text_newtype! {
    /// Names who takes a lease; unique per task, since a holder that asks again gets its lease extended.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub struct HolderId(Arc<str>);

    /// The holder of this name.
    new;

    /// The name.
    as_str;
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

text_newtype! {
    /// Names one small value that the processes of a deployment share, such as the level of a token bucket.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct RegisterName(Box<str>, cut at 200);

    /// The register of this name, cut to 200 bytes at a character boundary.
    new;

    /// The name.
    as_str;
}

/// The system of record.
///
/// Every method is atomic and cancel-safe: a dropped future leaves the old state or the new one. Reads see
/// every commit that has returned. No method returns another creator's rows, but for [`Store::creator_ids`], which
/// answers with ids alone, and [`Store::due`] when it is asked for those of all.
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

    /// The ids of all creators, in ascending order: at most `limit` of those after `after`. Fewer, also none,
    /// means the end of the list.
    ///
    /// Crosses tenants: for what a deployment does for each creator in turn, never for what a person is shown.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn creator_ids(
        &self,
        after: Option<CreatorId>,
        limit: usize,
    ) -> Result<Vec<CreatorId>, StoreError>;

    /// The state of a conversation.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<Conversation>>, StoreError>;

    /// What is known of the fan of a conversation, put together from every change that told of them;
    /// `None` if none did.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError>;

    /// The messages of a conversation, the last sent first; those sent at the same time in descending
    /// order of their ids. A message that is added while pages are read appears at most once. Deleted
    /// messages are listed too, without what they said.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from this list.
    async fn messages(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Message>, StoreError>;

    /// One message of a conversation, also if it is deleted.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn message(
        &self,
        id: ConversationId,
        message: MessageId,
    ) -> Result<Option<Message>, StoreError>;

    /// The transactions of a conversation, the latest first; those of the same time in descending order of their
    /// ids. One that is added while pages are read appears at most once.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from this list.
    async fn transactions(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Transaction>, StoreError>;

    /// One transaction of a conversation.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn transaction(
        &self,
        id: ConversationId,
        transaction: TransactionId,
    ) -> Result<Option<Transaction>, StoreError>;

    /// The conversations whose [`Conversation::wake_at`] is at or before `until`, the earliest first;
    /// those of the same time in the order of their ids. Those that wait for nobody are not listed.
    ///
    /// `of` is whose. `None` is all creators of the deployment, the one list that crosses tenants: for
    /// sweeps that look for wake-ups that got lost, never for what a person is shown.
    ///
    /// A conversation whose time does not change while pages are read appears at most once, and exactly
    /// once if it is due all the while. A cursor stays good for any `until`, so that a sweep may move it.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from the list of `of`.
    async fn due(
        &self,
        of: Option<CreatorId>,
        until: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<Due>, StoreError>;

    /// Makes a change, all or nothing, durable when this returns. `expected` is the revision that the
    /// change builds on; `None` means that the aggregate must not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the stored revision is another one, if a new message or transaction exists already in
    /// this conversation, if another creator has the account, or if what is new is or belongs to a creator who
    /// [was erased](Self::mark_erased); [`StoreError::Rejected`] if a row names
    /// another conversation, another fan or a message that does not exist; what [`Change::validate`] says.
    /// Nothing is changed then.
    async fn commit(
        &self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError>;

    /// Erases up to `limit` of the messages of a conversation that were sent at or before `through`, each with the
    /// decision about it, as many of the transactions of that time, and what is known of the fan. Durable when this returns. The state of the conversation
    /// stays, and with it its revision, which goes on counting: whoever worked on an older one can commit nothing.
    ///
    /// Idempotent: called until it answers [`Erased::All`], by whoever and however often it was stopped between.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing was erased by this call then.
    async fn erase(
        &self,
        id: ConversationId,
        through: Timestamp,
        limit: usize,
    ) -> Result<Erased, StoreError>;

    /// Erases what is stored of a creator but for their conversations, and notes the id: from here on no creator of it
    /// is added, and no conversation. Durable when this returns. Idempotent, also for an id that nobody has.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is changed then.
    async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError>;

    /// Erases conversations of a creator who [was erased](Self::mark_erased), with all that is held of their fans: up
    /// to `limit` of each kind of row. Durable when this returns.
    ///
    /// Idempotent: called until it answers [`Erased::All`], by whoever and however often it was stopped between.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] if the creator is not marked as erased. Nothing was erased by a call that fails.
    async fn erase_creator(&self, id: CreatorId, limit: usize) -> Result<Erased, StoreError>;

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

    /// The value of a register; `None` if it was never set.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn register(&self, name: &RegisterName) -> Result<Option<Versioned<String>>, StoreError>;

    /// Sets a register to a short text, durable when this returns: what many processes decide on together,
    /// each on the strength of the value that it names with `expected`. `None` means that it was never set.
    ///
    /// Registers belong to the deployment, hold nothing of a fan and nothing secret, and are never deleted.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the revision is another one; nothing is changed then.
    async fn set_register(
        &self,
        name: &RegisterName,
        value: &str,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError>;
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
    /// The settings of the creator or of the fan contradict themselves or each other.
    #[error(transparent)]
    InvalidSettings(#[from] InvalidSettings),
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
    /// What [`Store::erase_creator`] answers for a creator who is not marked.
    #[must_use]
    pub fn not_marked() -> Self {
        Self::Rejected {
            reason: "the creator is not marked as erased; call mark_erased first".to_owned(),
        }
    }

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
            Self::Rejected { .. }
            | Self::InvalidSettings(_)
            | Self::InvalidCursor
            | Self::Corrupt { .. } => Retry::Never,
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

            async fn creator_ids(&self, after: Option<CreatorId>, limit: usize) -> Result<Vec<CreatorId>, StoreError> {
                (**self).creator_ids(after, limit).await
            }

            async fn conversation(&self, id: ConversationId) -> Result<Option<Versioned<Conversation>>, StoreError> {
                (**self).conversation(id).await
            }

            async fn fan(&self, id: ConversationId) -> Result<Option<FanProfile>, StoreError> {
                (**self).fan(id).await
            }

            async fn messages(&self, id: ConversationId, page: &PageRequest) -> Result<Page<Message>, StoreError> {
                (**self).messages(id, page).await
            }

            async fn message(&self, id: ConversationId, message: MessageId) -> Result<Option<Message>, StoreError> {
                (**self).message(id, message).await
            }

            async fn transactions(&self, id: ConversationId, page: &PageRequest) -> Result<Page<Transaction>, StoreError> {
                (**self).transactions(id, page).await
            }

            async fn transaction(&self, id: ConversationId, transaction: TransactionId) -> Result<Option<Transaction>, StoreError> {
                (**self).transaction(id, transaction).await
            }

            async fn due(
                &self,
                of: Option<CreatorId>,
                until: Timestamp,
                page: &PageRequest,
            ) -> Result<Page<Due>, StoreError> {
                (**self).due(of, until, page).await
            }

            async fn commit(&self, change: &Change, expected: Option<Revision>) -> Result<Revision, StoreError> {
                (**self).commit(change, expected).await
            }

            async fn erase(&self, id: ConversationId, through: Timestamp, limit: usize) -> Result<Erased, StoreError> {
                (**self).erase(id, through, limit).await
            }

            async fn mark_erased(&self, id: CreatorId) -> Result<(), StoreError> {
                (**self).mark_erased(id).await
            }

            async fn erase_creator(&self, id: CreatorId, limit: usize) -> Result<Erased, StoreError> {
                (**self).erase_creator(id, limit).await
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

            async fn register(&self, name: &RegisterName) -> Result<Option<Versioned<String>>, StoreError> {
                (**self).register(name).await
            }

            async fn set_register(
                &self,
                name: &RegisterName,
                value: &str,
                expected: Option<Revision>,
            ) -> Result<Revision, StoreError> {
                (**self).set_register(name, value, expected).await
            }
        }
    };
}
forward_store!(Arc);
forward_store!(Box);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::decision::Outcome;
    use crate::entropy::Seed;
    use crate::id::FanId;
    use crate::message::{Author, MessageType};
    use crate::persona::Persona;

    #[test]
    fn an_answer_about_the_bot_that_no_reply_may_have_is_refused() {
        let id = CreatorId::from_uuid(Uuid::from_u128(1));
        let validate = |answer: &str| {
            let persona = Persona::named("Luna").bot_answer(answer);
            Change::from(Creator::new(id, persona)).validate()
        };
        assert!(validate("Some of what you read is written by an AI that knows me.").is_ok());
        for (answer, reason) in [
            (
                "No, I'm not a bot",
                "persona.bot_answer: it claimed that no bot or AI writes here",
            ),
            (
                "An AI helps me, my own number is 0151 234 56789",
                "persona.bot_answer: it had a link, an address, a phone number or another messenger in it",
            ),
        ] {
            let refused = validate(answer).unwrap_err();
            assert!(
                matches!(&refused, StoreError::Rejected { reason: told } if told == reason),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn debug_of_a_change_shows_no_words_and_no_names() {
        let id = ConversationId::new(
            CreatorId::from_uuid(Uuid::from_u128(1)),
            FanId::from_uuid(Uuid::from_u128(2)),
        );
        let message = MessageId::from_uuid(Uuid::from_u128(3));
        let at = Timestamp::from_seconds(4);
        let mut change = ConversationChange::new(Conversation::new(id, Seed::new(5)));
        let mut fan = FanProfile::new(id.fan);
        fan.handle = Some("canary".into());
        fan.display_name = Some("canary".into());
        fan.nickname = Some("canary".into());
        change.fan = Some(fan);
        change.messages = vec![Message {
            id: message,
            conversation: id,
            author: Author::Fan,
            kind: MessageType::SingleRecipient,
            content: Content::text("canary"),
            sent_at: at,
            stored_at: at,
            tokens: None,
            turn: None,
            decision: None,
            deleted_at: None,
        }];
        change.contents = vec![ContentUpdate {
            message,
            content: Content::text("canary"),
            tokens: None,
        }];
        change.decisions = vec![(message, Decision::new(Outcome::OptedOut, at))];
        change.deletions = vec![(message, at)];
        let shown = format!("{:?} {:#?}", Change::from(change.clone()), change);
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains(&message.to_string()), "{shown}");
    }
}
