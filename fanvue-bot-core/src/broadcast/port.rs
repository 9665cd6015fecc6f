//! Where broadcasts and their recipients are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Broadcast;
use crate::conversation::Skip;
use crate::fan::FanProfile;
use crate::id::{BroadcastId, ConversationId, CreatorId, FanId};
use crate::page::{Page, PageRequest};
use crate::revision::{Revision, Versioned};
use crate::store::{Erased, StoreError};
use crate::time::Timestamp;

/// One fan of one broadcast. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Recipient {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// How it stands with this fan.
    pub standing: Standing,
    /// What they went by when they were added, if it was known.
    pub name: Option<Arc<str>>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("broadcast", &self.broadcast)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// How it stands with one fan of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Standing {
    /// Their turn has not come.
    Waiting,
    /// It is in their conversation and goes out as soon as it may; or it may have.
    Placed,
    /// They got it.
    Sent,
    /// They do not get it.
    Skipped(Skip),
    /// It could not be sent; their conversation tells why.
    Failed,
}

impl Standing {
    /// Its name, as it is stored and counted by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Placed => "placed",
            Self::Sent => "sent",
            Self::Skipped(skip) => skip.as_str(),
            Self::Failed => "failed",
        }
    }

    /// The standing with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "waiting" => Some(Self::Waiting),
            "placed" => Some(Self::Placed),
            "sent" => Some(Self::Sent),
            "failed" => Some(Self::Failed),
            name => Skip::from_name(name).map(Self::Skipped),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keeps broadcasts and their recipients.
///
/// Every method is atomic and cancel-safe: a dropped future leaves the old state or the new one. Reads see every
/// commit that has returned. No method returns another creator's rows, but for [`Broadcasts::due_broadcasts`], which
/// answers with ids alone.
#[async_trait]
pub trait Broadcasts: fmt::Debug + Send + Sync + 'static {
    /// One broadcast of a creator.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn broadcast(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError>;

    /// The broadcasts of a creator, the last made first; those made at the same time in descending order of their
    /// ids. One that is added while pages are read appears at most once, the others exactly once.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if the cursor is not from this list.
    async fn broadcasts(
        &self,
        creator: CreatorId,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Broadcast>>, StoreError>;

    /// Broadcasts whose [`Broadcast::due_at`] is at or before `now`, the earliest first; at most `limit`.
    ///
    /// Crosses tenants: for those who see to broadcasts.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn due_broadcasts(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError>;

    /// Adds or replaces a broadcast, durable when this returns. `expected` is the revision that it builds on;
    /// `None` means that it must not exist yet. When it was made does not change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the stored revision is another one; nothing is changed then.
    async fn put_broadcast(
        &self,
        broadcast: &Broadcast,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError>;

    /// Adds recipients, as [`Standing::Waiting`], each with the name that they go by ([`FanProfile::name`]); those who
    /// are there stay as they are. Idempotent.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] if there is no such broadcast; nothing is changed then.
    async fn add_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanProfile],
    ) -> Result<(), StoreError>;

    /// What those of `fans` go by who are recipients and whose name is known.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn recipient_names(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
    ) -> Result<BTreeMap<FanId, Arc<str>>, StoreError>;

    /// Moves those of `fans` who stand at `from` to `to`; the others stay as they are. Idempotent.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is changed then.
    async fn move_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
        from: Standing,
        to: Standing,
    ) -> Result<(), StoreError>;

    /// The recipients who stand so, in ascending order of their ids: at most `limit` of those after `after`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        standing: Standing,
        after: Option<FanId>,
        limit: usize,
    ) -> Result<Vec<FanId>, StoreError>;

    /// How many recipients stand how, without standings that nobody has, in no order.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn recipient_counts(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Vec<(Standing, u64)>, StoreError>;

    /// Removes the recipients whose turn has not come, and those who are not in the segment: what reading its lists
    /// came to. Idempotent.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is changed then.
    async fn clear_gathered(&self, creator: CreatorId, id: BroadcastId) -> Result<(), StoreError>;

    /// The broadcasts of which a fan is a recipient, in ascending order of their ids: at most `limit` of those
    /// after `after`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn broadcasts_to(
        &self,
        fan: ConversationId,
        after: Option<BroadcastId>,
        limit: usize,
    ) -> Result<Vec<Recipient>, StoreError>;

    /// Forgets that a fan was a recipient of anything. Idempotent.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is changed then.
    async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError>;

    /// Erases up to `limit` recipients of a creator's broadcasts, and broadcasts that have none. Durable when this
    /// returns. Idempotent: called until it answers [`Erased::All`].
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing was erased by this call then.
    async fn erase_broadcasts_of(
        &self,
        creator: CreatorId,
        limit: usize,
    ) -> Result<Erased, StoreError>;
}

macro_rules! forward_broadcasts {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<B: Broadcasts + ?Sized> Broadcasts for $($pointer)::+<B> {
            async fn broadcast(&self, creator: CreatorId, id: BroadcastId) -> Result<Option<Versioned<Broadcast>>, StoreError> {
                (**self).broadcast(creator, id).await
            }

            async fn broadcasts(&self, creator: CreatorId, page: &PageRequest) -> Result<Page<Versioned<Broadcast>>, StoreError> {
                (**self).broadcasts(creator, page).await
            }

            async fn due_broadcasts(&self, now: Timestamp, limit: usize) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError> {
                (**self).due_broadcasts(now, limit).await
            }

            async fn put_broadcast(&self, broadcast: &Broadcast, expected: Option<Revision>) -> Result<Revision, StoreError> {
                (**self).put_broadcast(broadcast, expected).await
            }

            async fn add_recipients(&self, creator: CreatorId, id: BroadcastId, fans: &[FanProfile]) -> Result<(), StoreError> {
                (**self).add_recipients(creator, id, fans).await
            }

            async fn recipient_names(&self, creator: CreatorId, id: BroadcastId, fans: &[FanId]) -> Result<BTreeMap<FanId, Arc<str>>, StoreError> {
                (**self).recipient_names(creator, id, fans).await
            }

            async fn move_recipients(&self, creator: CreatorId, id: BroadcastId, fans: &[FanId], from: Standing, to: Standing) -> Result<(), StoreError> {
                (**self).move_recipients(creator, id, fans, from, to).await
            }

            async fn recipients(&self, creator: CreatorId, id: BroadcastId, standing: Standing, after: Option<FanId>, limit: usize) -> Result<Vec<FanId>, StoreError> {
                (**self).recipients(creator, id, standing, after, limit).await
            }

            async fn recipient_counts(&self, creator: CreatorId, id: BroadcastId) -> Result<Vec<(Standing, u64)>, StoreError> {
                (**self).recipient_counts(creator, id).await
            }

            async fn clear_gathered(&self, creator: CreatorId, id: BroadcastId) -> Result<(), StoreError> {
                (**self).clear_gathered(creator, id).await
            }

            async fn broadcasts_to(&self, fan: ConversationId, after: Option<BroadcastId>, limit: usize) -> Result<Vec<Recipient>, StoreError> {
                (**self).broadcasts_to(fan, after, limit).await
            }

            async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError> {
                (**self).forget_recipient(fan).await
            }

            async fn erase_broadcasts_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, StoreError> {
                (**self).erase_broadcasts_of(creator, limit).await
            }
        }
    };
}
forward_broadcasts!(Arc);
forward_broadcasts!(Box);
