//! What a dashboard asks of a store and the bot itself does not: decisions, listed and counted.
//!
//! ```
//! use fanvue_bot_core::admin::{AdminQueries, DecisionsOf, TimeSpan};
//! use fanvue_bot_core::decision::{Reason, Rule};
//! use fanvue_bot_core::page::PageRequest;
//! # use fanvue_bot_core::memory::MemoryBackend;
//! # use fanvue_bot_core::{id::CreatorId, time::Timestamp};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = MemoryBackend::new();
//! # let mia: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse()?;
//! // Which fans have to be looked at by a human, the latest first?
//! let list = DecisionsOf::Reason(mia, Reason::Blocked(Rule::Minor));
//! for entry in store.decisions(list, &PageRequest::first(50)).await?.items {
//!     let reason = entry.decision.reason();
//!     println!("{} {}: {}", entry.decision.at, entry.conversation.fan, entry.decision.outcome);
//!     println!("  {}", reason.what_changes_it());
//! }
//!
//! // What became of the messages that were decided on this week?
//! # let (monday, sunday) = (Timestamp::from_seconds(0), Timestamp::from_seconds(604_800));
//! for (reason, count) in store.decision_counts(mia, TimeSpan::new(monday, sunday)).await? {
//!     println!("{count} x {reason}");
//! }
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use async_trait::async_trait;

use crate::decision::{Decision, Reason};
use crate::id::{ConversationId, CreatorId, MessageId};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// A message with what was decided about it; not what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct DecidedMessage {
    /// Whose chat with whom.
    pub conversation: ConversationId,
    /// Which message.
    pub message: MessageId,
    /// When it was sent, by Fanvue's clock.
    pub sent_at: Timestamp,
    /// What was decided, and when. [`Reason::what_changes_it`] tells what would change it.
    pub decision: Decision,
}

/// Which decisions a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each is an index that every adapter has"
)]
pub enum DecisionsOf {
    /// Those on the messages of one fan to one creator.
    Fan(ConversationId),
    /// All of one creator.
    Creator(CreatorId),
    /// All of one creator that have this reason.
    Reason(CreatorId, Reason),
}

impl DecisionsOf {
    /// Whose they are.
    #[must_use]
    pub const fn creator(&self) -> CreatorId {
        match self {
            Self::Fan(conversation) => conversation.creator,
            Self::Creator(creator) | Self::Reason(creator, _) => *creator,
        }
    }
}

/// A span of time: from its beginning on, up to its end and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a span is exactly this pair")]
pub struct TimeSpan {
    /// The first moment that is in it.
    pub from: Timestamp,
    /// The first moment that is after it.
    pub to: Timestamp,
}

impl TimeSpan {
    /// From `from` on, before `to`. One that ends before it begins holds nothing.
    #[must_use]
    pub const fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    /// Whether `at` is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// A store that can also answer what a dashboard asks. Optional: the bot runs without it.
///
/// Reads see every commit that has returned. No method returns another creator's rows.
#[async_trait]
pub trait AdminQueries: Store {
    /// The messages of `of` that were decided on, the latest decision first; those of the same time in descending
    /// order of the fan's id and the message's. Each message counts with its newest decision alone, also if it is
    /// deleted.
    ///
    /// A message whose decision stays while pages are read appears exactly once. One that is decided on anew
    /// moves to the beginning of the list, so it may appear twice or, in a list of one reason, leave it.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from the list of `of`.
    async fn decisions(
        &self,
        of: DecisionsOf,
        page: &PageRequest,
    ) -> Result<Page<DecidedMessage>, StoreError>;

    /// How many of a creator's messages have which reason, of those whose newest decision was made in `span`: in
    /// the order of [`Reason::ALL`], without those that none has. Reasons that only a newer version of the
    /// library knows are left out.
    ///
    /// Its cost grows with the number of decisions in the span.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn decision_counts(
        &self,
        creator: CreatorId,
        span: TimeSpan,
    ) -> Result<Vec<(Reason, u64)>, StoreError>;
}

macro_rules! forward_admin_queries {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: AdminQueries + ?Sized> AdminQueries for $($pointer)::+<S> {
            async fn decisions(&self, of: DecisionsOf, page: &PageRequest) -> Result<Page<DecidedMessage>, StoreError> {
                (**self).decisions(of, page).await
            }

            async fn decision_counts(&self, creator: CreatorId, span: TimeSpan) -> Result<Vec<(Reason, u64)>, StoreError> {
                (**self).decision_counts(creator, span).await
            }
        }
    };
}
forward_admin_queries!(Arc);
forward_admin_queries!(Box);
