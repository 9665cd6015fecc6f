//! What operators do with broadcasts.

use std::sync::Arc;

use super::segment::Known;
use super::{
    Broadcast, BroadcastError, BroadcastState, Broadcasts, Gathering, Preview, Progress, Standing,
};
use crate::client::CustomList;
use crate::conversation::Skip;
use crate::creator::Creator;
use crate::engine::Engine;
use crate::id::{BroadcastId, ConversationId, CreatorId, FanId};
use crate::page::{Page, PageRequest};
use crate::revision::{Revision, Versioned};
use crate::store::StoreError;
use crate::time::Timestamp;

/// So many recipients are looked at in one go.
pub(super) const AT_ONCE: usize = 500;
/// A change that others overtake is made anew so often.
const TRIES: usize = 16;

/// Makes broadcasts, tells how far they are, and sees to them.
///
/// Cheap to clone. What operators ask for is stored when the call returns, and acts on the next send; a worker or a
/// tick does the rest.
#[derive(Debug, Clone)]
pub struct Broadcaster {
    pub(super) engine: Engine,
    pub(super) broadcasts: Arc<dyn Broadcasts>,
}

impl Broadcaster {
    /// The broadcasts of `engine`'s deployment; `None` if its backend keeps none
    /// ([`Backend::broadcasts`](crate::backend::Backend::broadcasts)).
    #[must_use]
    pub fn new(engine: &Engine) -> Option<Self> {
        let broadcasts = engine.backend().broadcasts_in()?;
        Some(Self {
            engine: engine.clone(),
            broadcasts: Arc::clone(broadcasts),
        })
    }

    /// Stores a broadcast as a draft, with this message, segment and rest; another draft of the same id is replaced.
    /// Who is in the segment is found out from then on, for [`Broadcaster::preview`].
    ///
    /// Idempotent: a draft that is stored as it is stays as it is.
    ///
    /// # Errors
    /// [`BroadcastError::Invalid`] with everything that is wrong with it; [`BroadcastError::UnknownCreator`];
    /// [`BroadcastError::NotNow`] if the broadcast of this id is no draft any more; [`BroadcastError::Busy`] if its
    /// segment changes while the lists of the old one are being read.
    pub async fn save(&self, broadcast: &Broadcast) -> Result<(), BroadcastError> {
        broadcast.validate(self.engine.draft_check())?;
        let store = self.engine.backend().store();
        if store.creator(broadcast.creator).await?.is_none() {
            return Err(BroadcastError::UnknownCreator);
        }
        let now = self.engine.now();
        let (creator, id) = (broadcast.creator, broadcast.id);
        let mut fresh = broadcast.clone();
        fresh.state = BroadcastState::Draft;
        fresh.gathering = Gathering::default();
        fresh.due_at = Some(now);
        let Some(stored) = self.broadcasts.broadcast(creator, id).await? else {
            fresh.created_at = now;
            self.broadcasts.put_broadcast(&fresh, None).await?;
            return Ok(());
        };
        let (before, revision) = (stored.value, stored.revision);
        if before.state != BroadcastState::Draft {
            return Err(BroadcastError::NotNow {
                state: before.state,
            });
        }
        fresh.created_at = before.created_at;
        if fresh.segment == before.segment {
            fresh.gathering = before.gathering.clone();
            fresh.due_at = before.due_at;
            if fresh != before {
                self.broadcasts
                    .put_broadcast(&fresh, Some(revision))
                    .await?;
            }
            return Ok(());
        }
        // Or a page of an old list could come in after the recipients are cleared.
        let lease = self.lease(id).await?.ok_or(BroadcastError::Busy)?;
        let saved = async {
            self.broadcasts
                .put_broadcast(&fresh, Some(revision))
                .await?;
            self.broadcasts.clear_gathered(creator, id).await
        }
        .await;
        store.release_lease(lease).await?;
        Ok(saved?)
    }

    /// Sends a draft, from now on.
    ///
    /// # Errors
    /// [`BroadcastError::NotNow`] if it is no draft and not scheduled.
    pub async fn start(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Broadcast, BroadcastError> {
        let now = self.engine.now();
        self.change(creator, id, |broadcast| {
            match broadcast.state {
                BroadcastState::Running => return Ok(()),
                BroadcastState::Draft | BroadcastState::Scheduled { .. } => {}
                _ => return Err(not_now(broadcast)),
            }
            broadcast.state = BroadcastState::Scheduled { at: now };
            broadcast.due_at = Some(now);
            Ok(())
        })
        .await
    }

    /// Sends a draft at `at`, by itself. One that is scheduled is scheduled anew.
    ///
    /// # Errors
    /// [`BroadcastError::Invalid`] for a time that is past; [`BroadcastError::NotNow`] as for
    /// [`Broadcaster::start`].
    pub async fn schedule(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        at: Timestamp,
    ) -> Result<Broadcast, BroadcastError> {
        let now = self.engine.now();
        if at < now {
            return Err(super::error::past(now).into());
        }
        self.change(creator, id, |broadcast| {
            match broadcast.state {
                BroadcastState::Draft | BroadcastState::Scheduled { .. } => {}
                _ => return Err(not_now(broadcast)),
            }
            broadcast.state = BroadcastState::Scheduled { at };
            broadcast.due_at = Some(at);
            Ok(())
        })
        .await
    }

    /// Holds a broadcast: what is not yet on its way stays, until [`Broadcaster::resume`]. One that was scheduled
    /// becomes a draft.
    ///
    /// # Errors
    /// [`BroadcastError::NotNow`] if it is over, or a draft.
    pub async fn pause(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Broadcast, BroadcastError> {
        let now = self.engine.now();
        let paused = self
            .change(creator, id, |broadcast| {
                broadcast.state = match broadcast.state {
                    BroadcastState::Running | BroadcastState::Paused => BroadcastState::Paused,
                    BroadcastState::Scheduled { .. } => BroadcastState::Draft,
                    _ => return Err(not_now(broadcast)),
                };
                broadcast.due_at = Some(now);
                Ok(())
            })
            .await?;
        self.withdraw(&paused).await?;
        Ok(paused)
    }

    /// Lets a broadcast go on that was paused.
    ///
    /// # Errors
    /// [`BroadcastError::NotNow`] if it is neither paused nor running.
    pub async fn resume(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Broadcast, BroadcastError> {
        let now = self.engine.now();
        self.change(creator, id, |broadcast| {
            match broadcast.state {
                BroadcastState::Running => return Ok(()),
                BroadcastState::Paused => {}
                _ => return Err(not_now(broadcast)),
            }
            broadcast.state = BroadcastState::Running;
            broadcast.due_at = Some(now);
            Ok(())
        })
        .await
    }

    /// Ends a broadcast: nobody gets it any more, but for those to whom it may be on its way. Idempotent.
    ///
    /// # Errors
    /// [`BroadcastError::NotNow`] if it is done or failed.
    pub async fn cancel(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Broadcast, BroadcastError> {
        let now = self.engine.now();
        let cancelled = self
            .change(creator, id, |broadcast| {
                if matches!(
                    broadcast.state,
                    BroadcastState::Done | BroadcastState::Failed { .. }
                ) {
                    return Err(not_now(broadcast));
                }
                broadcast.state = BroadcastState::Cancelled;
                broadcast.due_at = Some(now);
                Ok(())
            })
            .await?;
        self.withdraw(&cancelled).await?;
        Ok(cancelled)
    }

    /// How far a broadcast is.
    ///
    /// # Errors
    /// [`BroadcastError::UnknownBroadcast`]; the store's.
    pub async fn progress(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Progress, BroadcastError> {
        let stored = self.stored(creator, id).await?;
        let counts = self.broadcasts.recipient_counts(creator, id).await?;
        Ok(Progress::new(stored.value, counts))
    }

    /// The broadcasts of a creator, the last made first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        creator: CreatorId,
        page: &PageRequest,
    ) -> Result<Page<Broadcast>, BroadcastError> {
        let page = self.broadcasts.broadcasts(creator, page).await?;
        Ok(Page {
            items: page.items.into_iter().map(|stored| stored.value).collect(),
            next: page.next,
        })
    }

    /// How many fans would get a broadcast if their turn came now, and how many would not for which cause.
    ///
    /// Goes by what is stored here; what only a look at the chat tells is not in it. Looks at each recipient's
    /// conversation, so its cost grows with their number.
    ///
    /// # Errors
    /// [`BroadcastError::UnknownBroadcast`]; the store's.
    pub async fn preview(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Preview, BroadcastError> {
        let broadcast = self.stored(creator, id).await?.value;
        let owner = self.engine.backend().store().creator(creator).await?;
        let owner = owner.ok_or(BroadcastError::UnknownCreator)?.value;
        let counts = self.broadcasts.recipient_counts(creator, id).await?;
        let mut preview = Preview::begun(&broadcast, &counts);
        let mut after: Option<FanId> = None;
        loop {
            let fans = self
                .broadcasts
                .recipients(creator, id, Standing::Waiting, after, AT_ONCE)
                .await?;
            for fan in &fans {
                preview.add(self.outlook(&broadcast, &owner, *fan).await?);
            }
            after = fans.last().copied();
            if fans.len() < AT_ONCE {
                return Ok(preview);
            }
        }
    }

    /// The lists of fans that a creator keeps at Fanvue, by whose ids a segment includes and leaves out.
    ///
    /// # Errors
    /// [`BroadcastError::UnknownCreator`]; what Fanvue answers.
    pub async fn custom_lists(
        &self,
        creator: CreatorId,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, BroadcastError> {
        let owner = self.engine.backend().store().creator(creator).await?;
        let owner = owner.ok_or(BroadcastError::UnknownCreator)?.value;
        self.engine.custom_lists_of(&owner, page).await
    }

    /// Takes back what has been placed and has not begun to go out.
    pub(super) async fn withdraw(&self, broadcast: &Broadcast) -> Result<(), BroadcastError> {
        let (creator, id) = (broadcast.creator, broadcast.id);
        let placed = self
            .broadcasts
            .recipients(creator, id, Standing::Placed, None, AT_ONCE)
            .await?;
        for fan in placed {
            let of = ConversationId::new(creator, fan);
            self.engine.withdraw(of, id).await?;
        }
        Ok(())
    }

    pub(super) async fn stored(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Versioned<Broadcast>, BroadcastError> {
        let stored = self.broadcasts.broadcast(creator, id).await?;
        stored.ok_or(BroadcastError::UnknownBroadcast)
    }

    /// Makes a change on the newest state.
    async fn change(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        make: impl Fn(&mut Broadcast) -> Result<(), BroadcastError>,
    ) -> Result<Broadcast, BroadcastError> {
        let mut tries = 0;
        loop {
            let stored = self.stored(creator, id).await?;
            let mut changed = stored.value.clone();
            make(&mut changed)?;
            match self.put(&changed, &stored).await {
                Ok(_) => return Ok(changed),
                Err(StoreError::Conflict) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stores `changed`, if it is.
    pub(super) async fn put(
        &self,
        changed: &Broadcast,
        stored: &Versioned<Broadcast>,
    ) -> Result<Revision, StoreError> {
        if *changed == stored.value {
            return Ok(stored.revision);
        }
        let expected = Some(stored.revision);
        self.broadcasts.put_broadcast(changed, expected).await
    }

    /// Why a fan would not get the broadcast now.
    async fn outlook(
        &self,
        broadcast: &Broadcast,
        owner: &Creator,
        fan: FanId,
    ) -> Result<Option<Skip>, BroadcastError> {
        let of = ConversationId::new(broadcast.creator, fan);
        if !self.is_admitted(broadcast, owner, of).await? {
            return Ok(Some(Skip::NotInSegment));
        }
        let terms = (broadcast.rest, broadcast.message.price);
        Ok(self.engine.would_skip(owner, of, terms).await?)
    }

    /// Whether a fan passes the segment's filters.
    pub(super) async fn is_admitted(
        &self,
        broadcast: &Broadcast,
        owner: &Creator,
        fan: ConversationId,
    ) -> Result<bool, BroadcastError> {
        let segment = &broadcast.segment;
        let mut known = Known::NOTHING;
        if segment.asks_for_activity() {
            known.last_wrote = self.engine.fan_last_wrote(fan).await?;
        }
        if segment.asks_for_closeness() {
            let stored = self.engine.backend().store().conversation(fan).await?;
            if let Some(stored) = stored {
                known.stage = stored.value.stage(&owner.settings.stages);
                known.spent = stored.value.spend.greatest_total();
            }
        }
        Ok(segment.admits(&known, self.engine.now()))
    }
}

fn not_now(broadcast: &Broadcast) -> BroadcastError {
    BroadcastError::NotNow {
        state: broadcast.state.clone(),
    }
}
