//! Broadcasts in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::broadcast::{Broadcast, Broadcasts, Recipient, Standing};
use crate::conversation::Skip;
use crate::fan::FanProfile;
use crate::id::{BroadcastId, ConversationId, CreatorId, FanId};
use crate::page::{Cursor, Page, PageRequest};
use crate::revision::{Revision, Versioned};
use crate::store::{Erased, StoreError};
use crate::time::Timestamp;

type Key = (CreatorId, BroadcastId);

/// [`Broadcasts`] in memory.
#[derive(Default)]
pub struct MemoryBroadcasts {
    state: Mutex<BTreeMap<Key, Kept>>,
}

struct Kept {
    broadcast: Versioned<Broadcast>,
    recipients: BTreeMap<FanId, Standing>,
    /// Of recipients alone.
    names: BTreeMap<FanId, Arc<str>>,
}

impl MemoryBroadcasts {
    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Broadcasts for MemoryBroadcasts {
    async fn broadcast(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
        let state = lock(&self.state);
        Ok(state.get(&(creator, id)).map(|kept| kept.broadcast.clone()))
    }

    async fn broadcasts(
        &self,
        creator: CreatorId,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Broadcast>>, StoreError> {
        let after = page.after.as_ref().map(|after| decode(after, creator));
        let after = after.transpose()?;
        let state = lock(&self.state);
        let mut listed: Vec<Versioned<Broadcast>> = of(&state, creator)
            .map(|kept| kept.broadcast.clone())
            .filter(|stored| after.is_none_or(|after| place(&stored.value) < after))
            .collect();
        listed.sort_by_key(|stored| std::cmp::Reverse(place(&stored.value)));
        let more = listed.len() > page.limit;
        listed.truncate(page.limit);
        let next = match listed.last() {
            Some(last) if more => Some(encode(&last.value)),
            Some(_) => None,
            None => page.after.clone().filter(|_| page.limit == 0),
        };
        Ok(Page {
            items: listed,
            next,
        })
    }

    async fn due_broadcasts(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CreatorId, BroadcastId)>, StoreError> {
        let state = lock(&self.state);
        let mut due: Vec<(Timestamp, Key)> = state
            .iter()
            .filter_map(|(key, kept)| Some((kept.broadcast.value.due_at?, *key)))
            .filter(|(due_at, _)| *due_at <= now)
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }

    async fn put_broadcast(
        &self,
        broadcast: &Broadcast,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let mut state = lock(&self.state);
        let key = (broadcast.creator, broadcast.id);
        let Some(kept) = state.get_mut(&key) else {
            if expected.is_some() {
                return Err(StoreError::Conflict);
            }
            let kept = Kept {
                broadcast: Versioned::new(broadcast.clone(), Revision::FIRST),
                recipients: BTreeMap::new(),
                names: BTreeMap::new(),
            };
            state.insert(key, kept);
            return Ok(Revision::FIRST);
        };
        if expected != Some(kept.broadcast.revision) {
            return Err(StoreError::Conflict);
        }
        let created_at = kept.broadcast.value.created_at;
        kept.broadcast = Versioned::new(broadcast.clone(), kept.broadcast.revision.next());
        kept.broadcast.value.created_at = created_at;
        Ok(kept.broadcast.revision)
    }

    async fn add_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanProfile],
    ) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        let Some(kept) = state.get_mut(&(creator, id)) else {
            return Err(StoreError::Rejected {
                reason: "recipients: there is no such broadcast".to_owned(),
            });
        };
        for fan in fans {
            if let Entry::Vacant(new) = kept.recipients.entry(fan.id) {
                new.insert(Standing::Waiting);
                let name = fan.name().map(|name| (fan.id, name.into()));
                kept.names.extend(name);
            }
        }
        Ok(())
    }

    async fn recipient_names(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
    ) -> Result<BTreeMap<FanId, Arc<str>>, StoreError> {
        let state = lock(&self.state);
        let kept = state.get(&(creator, id));
        let name = |fan: &FanId| Some((*fan, Arc::clone(kept?.names.get(fan)?)));
        Ok(fans.iter().filter_map(name).collect())
    }

    async fn move_recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        fans: &[FanId],
        from: Standing,
        to: Standing,
    ) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        if let Some(kept) = state.get_mut(&(creator, id)) {
            for fan in fans {
                if let Some(standing) = kept.recipients.get_mut(fan)
                    && *standing == from
                {
                    *standing = to;
                }
            }
        }
        Ok(())
    }

    async fn recipients(
        &self,
        creator: CreatorId,
        id: BroadcastId,
        standing: Standing,
        after: Option<FanId>,
        limit: usize,
    ) -> Result<Vec<FanId>, StoreError> {
        let state = lock(&self.state);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(state
            .get(&(creator, id))
            .into_iter()
            .flat_map(|kept| kept.recipients.range((from, Bound::Unbounded)))
            .filter(|(_, found)| **found == standing)
            .take(limit)
            .map(|(fan, _)| *fan)
            .collect())
    }

    async fn recipient_counts(
        &self,
        creator: CreatorId,
        id: BroadcastId,
    ) -> Result<Vec<(Standing, u64)>, StoreError> {
        let state = lock(&self.state);
        let mut counts: BTreeMap<Standing, u64> = BTreeMap::new();
        let recipients = state.get(&(creator, id)).map(|kept| &kept.recipients);
        for standing in recipients.into_iter().flat_map(BTreeMap::values) {
            *counts.entry(*standing).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    async fn clear_gathered(&self, creator: CreatorId, id: BroadcastId) -> Result<(), StoreError> {
        if let Some(kept) = lock(&self.state).get_mut(&(creator, id)) {
            let left_out = Standing::Skipped(Skip::NotInSegment);
            kept.recipients
                .retain(|_, standing| *standing != Standing::Waiting && *standing != left_out);
            let recipients = &kept.recipients;
            kept.names.retain(|fan, _| recipients.contains_key(fan));
        }
        Ok(())
    }

    async fn broadcasts_to(
        &self,
        fan: ConversationId,
        after: Option<BroadcastId>,
        limit: usize,
    ) -> Result<Vec<Recipient>, StoreError> {
        let state = lock(&self.state);
        Ok(of(&state, fan.creator)
            .filter(|kept| after.is_none_or(|after| kept.broadcast.value.id > after))
            .filter_map(|kept| {
                Some(Recipient {
                    broadcast: kept.broadcast.value.id,
                    standing: *kept.recipients.get(&fan.fan)?,
                    name: kept.names.get(&fan.fan).map(Arc::clone),
                })
            })
            .take(limit)
            .collect())
    }

    async fn forget_recipient(&self, fan: ConversationId) -> Result<(), StoreError> {
        for ((creator, _), kept) in lock(&self.state).iter_mut() {
            if *creator == fan.creator {
                kept.recipients.remove(&fan.fan);
                kept.names.remove(&fan.fan);
            }
        }
        Ok(())
    }

    async fn erase_broadcasts_of(
        &self,
        creator: CreatorId,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        let mut state = lock(&self.state);
        let mut rows = 0;
        while let Some(key) = state.keys().find(|(owner, _)| *owner == creator).copied()
            && let Some(kept) = state.get_mut(&key)
        {
            while rows < limit
                && let Some((fan, _)) = kept.recipients.pop_first()
            {
                kept.names.remove(&fan);
                rows += 1;
            }
            if rows >= limit {
                return Ok(Erased::Some);
            }
            state.remove(&key);
            rows += 1;
        }
        Ok(Erased::All)
    }
}

fn of(state: &BTreeMap<Key, Kept>, creator: CreatorId) -> impl Iterator<Item = &Kept> {
    state
        .iter()
        .filter(move |((owner, _), _)| *owner == creator)
        .map(|(_, kept)| kept)
}

/// Where a broadcast stands in the list.
fn place(broadcast: &Broadcast) -> (Timestamp, BroadcastId) {
    (broadcast.created_at, broadcast.id)
}

fn encode(broadcast: &Broadcast) -> Cursor {
    let micros = broadcast.created_at.as_micros();
    Cursor::new(format!("{}/{micros}/{}", broadcast.creator, broadcast.id))
}

fn decode(cursor: &Cursor, of: CreatorId) -> Result<(Timestamp, BroadcastId), StoreError> {
    let place = || {
        let (creator, place) = cursor.as_str().split_once('/')?;
        let (at, id) = place.split_once('/')?;
        if creator.parse() != Ok(of) {
            return None;
        }
        Some((Timestamp::from_micros(at.parse().ok()?), id.parse().ok()?))
    };
    place().ok_or(StoreError::InvalidCursor)
}

impl fmt::Debug for MemoryBroadcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBroadcasts").finish_non_exhaustive()
    }
}
