//! Seeing to a broadcast: reading its lists, placing it with those whose turn has come, and noting what became of
//! it.
//!
//! Everything here may be stopped anywhere and done again, also by two at once: the lease only spares work.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broadcaster::AT_ONCE;
use super::segment::Side;
use super::{Broadcast, BroadcastError, BroadcastState, Broadcaster, Gathering, Standing};
use crate::client::ClientError;
use crate::conversation::{DeliveryState, Skip};
use crate::creator::Creator;
use crate::flow::Parcel;
use crate::id::{BroadcastId, ConversationId, CreatorId, FanId};
use crate::page::{Cursor, PageRequest};
use crate::queue::FailureNote;
use crate::retry::Retry;
use crate::revision::Versioned;
use crate::store::{HolderId, Lease, LeaseName, StoreError};
use crate::time::Timestamp;

/// The largest page that Fanvue gives.
const PAGE: usize = 50;
/// With so many fans at a time a broadcast is placed: enough to keep the budget of requests busy, and few enough
/// that it is soon held when it is paused.
const WINDOW: usize = 64;
/// One at a time sees to a broadcast, for so long: most passes take less, what two do at once is done twice to the same
/// end, and nobody goes on sooner after a process that was killed.
const LEASE: Duration = Duration::from_secs(5);
/// What fails is tried again after this time.
const AGAIN: Duration = Duration::from_secs(30);
/// Lists that were read so long ago are read again when the broadcast begins.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// What [`Broadcaster::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advanced {
    /// Something was done, and there is more to do.
    More,
    /// It waits: for sends that are under way, for a failure to end, or for its time.
    Waiting,
    /// There is nothing to do about it.
    Rests,
    /// Somebody else is at it.
    Busy,
}

impl Broadcaster {
    /// The broadcasts that may have something to do, of all creators, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn due(&self, limit: usize) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError> {
        let now = self.engine.now();
        self.broadcasts.due_broadcasts(now, limit).await
    }

    /// Does a little of what there is to do about a broadcast: reads one page of a list, or places it with some
    /// fans and notes what became of it with others.
    ///
    /// Idempotent. May be dropped at any point, and called by many at once.
    ///
    /// # Errors
    /// The store's and the queue's, [`BroadcastError::UnknownBroadcast`]. What Fanvue answers is no error: the
    /// broadcast waits, or fails, by it.
    pub async fn advance(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Advanced, BroadcastError> {
        let Some(lease) = self.lease(id).await? else {
            return Ok(Advanced::Busy);
        };
        let advanced = self.pass(creator, id).await;
        // A lease that stays lapses.
        let released = self.engine.backend().store().release_lease(lease).await;
        let advanced = advanced?;
        released?;
        Ok(advanced)
    }

    /// The right to see to a broadcast alone.
    pub(super) async fn lease(&self, id: BroadcastId) -> Result<Option<Lease>, BroadcastError> {
        let holder = HolderId::new(format!("broadcast/{:016x}", self.engine.draw()?.value()));
        let name = LeaseName::new(format!("broadcast/{id}"));
        let now = self.engine.now();
        let store = self.engine.backend().store();
        Ok(store.acquire_lease(&name, &holder, now, LEASE).await?)
    }

    async fn pass(&self, creator: CreatorId, id: BroadcastId) -> Result<Advanced, BroadcastError> {
        let stored = self.stored(creator, id).await?;
        let Some(owner) = self.engine.backend().store().creator(creator).await? else {
            return Err(BroadcastError::UnknownCreator);
        };
        let now = self.engine.now();
        let gathered = stored.value.gathering.finished_at.is_some();
        match stored.value.state {
            BroadcastState::Scheduled { at } if at > now => Ok(Advanced::Waiting),
            BroadcastState::Scheduled { .. } => self.begin(&stored, now).await,
            BroadcastState::Draft | BroadcastState::Running if !gathered => {
                self.gather(&owner.value, &stored).await
            }
            BroadcastState::Running => self.send(&owner.value, &stored).await,
            BroadcastState::Paused => self.hold(&stored).await,
            BroadcastState::Cancelled => self.wind_up(&stored).await,
            BroadcastState::Draft | BroadcastState::Done | BroadcastState::Failed { .. } => {
                self.rest(&stored).await
            }
        }
    }

    /// Its time has come. Who is in the lists is found out again if it was long ago.
    async fn begin(
        &self,
        stored: &Versioned<Broadcast>,
        now: Timestamp,
    ) -> Result<Advanced, BroadcastError> {
        let mut running = stored.value.clone();
        let finished_at = running.gathering.finished_at;
        if finished_at.is_some_and(|at| now.since(at) > FRESH) {
            self.broadcasts
                .clear_gathered(running.creator, running.id)
                .await?;
            running.gathering = Gathering::default();
        }
        running.state = BroadcastState::Running;
        running.due_at = Some(now);
        self.put(&running, stored).await?;
        Ok(Advanced::More)
    }

    /// Reads one page of the next list.
    async fn gather(
        &self,
        owner: &Creator,
        stored: &Versioned<Broadcast>,
    ) -> Result<Advanced, BroadcastError> {
        let mut next = stored.value.clone();
        let (creator, id) = (next.creator, next.id);
        let now = self.engine.now();
        let Some((list, side)) = next.segment.lists().nth(next.gathering.lists) else {
            next.gathering.finished_at = Some(now);
            next.due_at = Some(now);
            let nobody = self
                .broadcasts
                .recipients(creator, id, Standing::Waiting, None, 1)
                .await?
                .is_empty();
            if nobody && next.state == BroadcastState::Running {
                next.state = BroadcastState::Failed {
                    cause: "nobody is in the segment".into(),
                };
                next.due_at = None;
            }
            self.put(&next, stored).await?;
            return Ok(Advanced::More);
        };
        let page = match &next.gathering.cursor {
            Some(cursor) => PageRequest::after(PAGE, Cursor::new(cursor.clone())),
            None => PageRequest::first(PAGE),
        };
        let page = match self.engine.members_of(owner, list, &page).await {
            Ok(page) => page,
            Err(error) => return self.put_off(stored, &error).await,
        };
        match side {
            Side::Included => {
                self.broadcasts
                    .add_recipients(creator, id, &page.items)
                    .await?;
            }
            Side::Excluded => {
                let fans: Vec<FanId> = page.items.iter().map(|fan| fan.id).collect();
                let out = Standing::Skipped(Skip::NotInSegment);
                self.broadcasts
                    .move_recipients(creator, id, &fans, Standing::Waiting, out)
                    .await?;
            }
        }
        next.gathering.cursor = page.next.map(|cursor| cursor.as_str().into());
        if next.gathering.cursor.is_none() {
            next.gathering.lists += 1;
        }
        next.due_at = Some(now);
        self.put(&next, stored).await?;
        Ok(Advanced::More)
    }

    /// A list could not be read.
    async fn put_off(
        &self,
        stored: &Versioned<Broadcast>,
        error: &BroadcastError,
    ) -> Result<Advanced, BroadcastError> {
        let now = self.engine.now();
        let note = FailureNote::from_error(error);
        tracing::warn!(broadcast.id = %stored.value.id, cause = %note, "a list of a broadcast could not be read");
        let mut next = stored.value.clone();
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            Retry::Never => {
                let gone = matches!(error, BroadcastError::Client(ClientError::NotFound));
                let cause = if gone {
                    "a list of the segment is not at Fanvue any more"
                } else {
                    note.as_str()
                };
                // A draft shows it when it is started.
                if next.state == BroadcastState::Running {
                    next.state = BroadcastState::Failed {
                        cause: cause.into(),
                    };
                }
                next.due_at = None;
                self.put(&next, stored).await?;
                return Ok(Advanced::Rests);
            }
            Retry::Backoff | Retry::Reconcile => AGAIN,
        };
        next.due_at = Some(now + wait);
        self.put(&next, stored).await?;
        Ok(Advanced::Waiting)
    }

    /// Notes what became of it with whom it is placed, and places it with those who come next.
    async fn send(
        &self,
        owner: &Creator,
        stored: &Versioned<Broadcast>,
    ) -> Result<Advanced, BroadcastError> {
        let broadcast = &stored.value;
        let (creator, id) = (broadcast.creator, broadcast.id);
        let (settled, open) = self.settle(broadcast, Standing::Waiting).await?;
        let next = self
            .broadcasts
            .recipients(
                creator,
                id,
                Standing::Waiting,
                None,
                WINDOW.saturating_sub(open),
            )
            .await?;
        if next.is_empty() && open == 0 {
            let nobody_waits = self
                .broadcasts
                .recipients(creator, id, Standing::Waiting, None, 1)
                .await?
                .is_empty();
            if nobody_waits {
                return self.end(stored, BroadcastState::Done).await;
            }
        }
        let names = if broadcast.message.asks_for_name() {
            let names = self.broadcasts.recipient_names(creator, id, &next);
            names.await?
        } else {
            BTreeMap::new()
        };
        let mut standings: BTreeMap<Standing, Vec<FanId>> = BTreeMap::new();
        for fan in &next {
            let listed_as = names.get(fan).map(AsRef::as_ref);
            let standing = self.place(owner, broadcast, *fan, listed_as).await?;
            standings.entry(standing).or_default().push(*fan);
        }
        for (standing, fans) in standings {
            self.broadcasts
                .move_recipients(creator, id, &fans, Standing::Waiting, standing)
                .await?;
        }
        Ok(if settled > 0 || !next.is_empty() {
            Advanced::More
        } else {
            Advanced::Waiting
        })
    }

    /// Places it in the fan's conversation, once. The name in the list is for those who are not known by one here.
    async fn place(
        &self,
        owner: &Creator,
        broadcast: &Broadcast,
        fan: FanId,
        listed_as: Option<&str>,
    ) -> Result<Standing, BroadcastError> {
        let of = ConversationId::new(broadcast.creator, fan);
        if !self.is_admitted(broadcast, owner, of).await? {
            return Ok(Standing::Skipped(Skip::NotInSegment));
        }
        let profile = self.engine.backend().store().fan(of).await?;
        let name = profile.as_ref().and_then(|fan| fan.name()).or(listed_as);
        let parcel = Parcel {
            broadcast: broadcast.id,
            text: broadcast.message.render(name),
            media: broadcast.message.media.as_slice().into(),
            price: broadcast.message.price,
            rest: broadcast.rest,
        };
        let state = self.engine.deliver(owner, of, parcel).await?;
        Ok(standing(state.as_ref()))
    }

    /// Notes what became of it with those with whom it is placed. Those from whom it was taken back go to
    /// `withdrawn`. Answers how many were noted, and with how many it is still open.
    async fn settle(
        &self,
        broadcast: &Broadcast,
        withdrawn: Standing,
    ) -> Result<(usize, usize), BroadcastError> {
        let (creator, id) = (broadcast.creator, broadcast.id);
        let placed = self
            .broadcasts
            .recipients(creator, id, Standing::Placed, None, AT_ONCE)
            .await?;
        let mut standings: BTreeMap<Standing, Vec<FanId>> = BTreeMap::new();
        let mut open = 0;
        for fan in &placed {
            let of = ConversationId::new(creator, *fan);
            let state = self.engine.delivery(of, id).await?;
            match standing(state.as_ref()) {
                Standing::Placed => open += 1,
                Standing::Skipped(Skip::Cancelled) => {
                    standings.entry(withdrawn).or_default().push(*fan);
                }
                standing => standings.entry(standing).or_default().push(*fan),
            }
        }
        for (standing, fans) in standings {
            self.broadcasts
                .move_recipients(creator, id, &fans, Standing::Placed, standing)
                .await?;
        }
        Ok((placed.len() - open, open))
    }

    /// It is paused: what was placed is taken back, also by whoever paused it and was stopped before.
    async fn hold(&self, stored: &Versioned<Broadcast>) -> Result<Advanced, BroadcastError> {
        self.withdraw(&stored.value).await?;
        let (_, open) = self.settle(&stored.value, Standing::Waiting).await?;
        if open > 0 {
            return Ok(Advanced::Waiting);
        }
        self.rest(stored).await
    }

    /// It is cancelled: nobody whose turn has not come gets it.
    async fn wind_up(&self, stored: &Versioned<Broadcast>) -> Result<Advanced, BroadcastError> {
        let broadcast = &stored.value;
        let (creator, id) = (broadcast.creator, broadcast.id);
        let cancelled = Standing::Skipped(Skip::Cancelled);
        self.withdraw(broadcast).await?;
        let (_, open) = self.settle(broadcast, cancelled).await?;
        let waiting = self
            .broadcasts
            .recipients(creator, id, Standing::Waiting, None, AT_ONCE)
            .await?;
        self.broadcasts
            .move_recipients(creator, id, &waiting, Standing::Waiting, cancelled)
            .await?;
        if !waiting.is_empty() {
            Ok(Advanced::More)
        } else if open > 0 {
            Ok(Advanced::Waiting)
        } else {
            self.rest(stored).await
        }
    }

    async fn rest(&self, stored: &Versioned<Broadcast>) -> Result<Advanced, BroadcastError> {
        let state = stored.value.state.clone();
        self.end(stored, state).await
    }

    async fn end(
        &self,
        stored: &Versioned<Broadcast>,
        state: BroadcastState,
    ) -> Result<Advanced, BroadcastError> {
        let mut next = stored.value.clone();
        next.state = state;
        next.due_at = None;
        self.put(&next, stored).await?;
        Ok(Advanced::Rests)
    }
}

/// How it stands with a fan, by what their conversation knows of the broadcast.
fn standing(state: Option<&DeliveryState>) -> Standing {
    match state {
        Some(DeliveryState::Open { .. }) => Standing::Placed,
        Some(DeliveryState::Sent { .. }) => Standing::Sent,
        Some(DeliveryState::Skipped { why }) => Standing::Skipped(*why),
        // A conversation that knows nothing of it was erased, or had many broadcasts since. Rather nothing than the
        // same again.
        Some(DeliveryState::Failed { .. }) | None => Standing::Failed,
    }
}
