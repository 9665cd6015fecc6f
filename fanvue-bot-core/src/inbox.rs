//! Proved events that are kept, acknowledged, and not yet taken in.
//!
//! Taking an event in reads its conversation, decides, and writes a message, the conversation and a job. Where many
//! processes share a server, that costs it many times what keeping the event as it came does. With an [`Inbox`] a
//! webhook is one row in a commit that it shares with others, and whoever works on conversations takes it in a
//! moment later: a burst is acknowledged at the speed of the disk and worked off at the speed of the processors.
//!
//! ```text
//!   webhook ──► proof ──► keep ──► 2xx           waiting ──► take in ──► settle
//!                          │                        ▲
//!                          └──────── inbox ─────────┘   by a worker, or before a turn goes on
//! ```
//!
//! Nothing that was acknowledged is passed over: before a turn of a conversation goes on and before a reply is
//! sent, what waits for that conversation is taken in.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::id::{ConversationId, CreatorId};
use crate::store::StoreError;
use crate::time::Timestamp;

/// An event as it came.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "adapters take it apart and build it from rows"
)]
pub struct KeptEvent {
    /// Whose it is and whom it is about, as read when it came.
    pub conversation: ConversationId,
    /// When it came.
    pub received_at: Timestamp,
    /// The headers' name of it, if they gave one.
    pub topic: Option<Box<str>>,
    /// The headers' id of it, if they gave one.
    pub event_id: Option<Box<str>>,
    /// The proved bytes.
    pub body: Box<[u8]>,
}

/// Shows no words: the body is a fan's.
impl fmt::Debug for KeptEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptEvent")
            .field("conversation", &self.conversation)
            .field("received_at", &self.received_at)
            .field("topic", &self.topic)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Names an event in one [`Inbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct KeptId {
    /// Whose the event is.
    pub creator: CreatorId,
    /// Its number among theirs; grows, not always by one.
    pub number: u64,
}

/// An event that waits to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct WaitingEvent {
    /// Names it.
    pub id: KeptId,
    /// How often it was put off.
    pub put_off: u32,
    /// What it says.
    pub event: KeptEvent,
}

/// Keeps proved events until they are taken in.
///
/// Every method is atomic and cancel-safe: a dropped future leaves the old state or the new one. Taking an event in
/// is idempotent and needs no order, so an event may be listed to several who take it in at once, and one that was
/// kept twice is there twice.
#[async_trait]
pub trait Inbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps an event, durable when this returns.
    ///
    /// # Errors
    /// As [`StoreError`] says; the event must not be acknowledged then.
    async fn keep(&self, event: KeptEvent) -> Result<(), StoreError>;

    /// Events that wait and are not put off to later than `now`, at most `limit`; of one creator the first kept
    /// first, and of those that are kept at once either.
    ///
    /// Fair: no creator gets more than an eighth of the places, rounded up, while events of another wait, and each
    /// call goes on with the creator after the last one.
    ///
    /// Crosses tenants: for those who take events in.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn waiting(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitingEvent>, StoreError>;

    /// Events of one conversation that wait, also those that are put off, the first kept first; at most `limit`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn waiting_of(
        &self,
        id: ConversationId,
        limit: usize,
    ) -> Result<Vec<WaitingEvent>, StoreError>;

    /// Forgets events that have been taken in. Those that are not there are passed over. Idempotent.
    ///
    /// A crash may bring back those that were settled last.
    ///
    /// # Errors
    /// As [`StoreError`] says; the events are listed again then.
    async fn settle(&self, events: &[KeptId]) -> Result<(), StoreError>;

    /// Puts an event off that cannot be taken in now, so that others come before it. One that is not there is
    /// passed over.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn put_off(&self, event: KeptId, until: Timestamp) -> Result<(), StoreError>;

    /// Resolves when [`Inbox::waiting`] may find an event. May resolve for nothing, and may miss what other processes
    /// keep, so callers also poll. An event kept in this process between a look and the call is not missed.
    async fn kept(&self);
}

macro_rules! forward_inbox {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<I: Inbox + ?Sized> Inbox for $($pointer)::+<I> {
            async fn keep(&self, event: KeptEvent) -> Result<(), StoreError> {
                (**self).keep(event).await
            }

            async fn waiting(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitingEvent>, StoreError> {
                (**self).waiting(now, limit).await
            }

            async fn waiting_of(&self, id: ConversationId, limit: usize) -> Result<Vec<WaitingEvent>, StoreError> {
                (**self).waiting_of(id, limit).await
            }

            async fn settle(&self, events: &[KeptId]) -> Result<(), StoreError> {
                (**self).settle(events).await
            }

            async fn put_off(&self, event: KeptId, until: Timestamp) -> Result<(), StoreError> {
                (**self).put_off(event, until).await
            }

            async fn kept(&self) {
                (**self).kept().await;
            }
        }
    };
}
forward_inbox!(Arc);
forward_inbox!(Box);
