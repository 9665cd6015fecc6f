//! An inbox in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Mutex;
use std::task::Waker;

use async_trait::async_trait;

use super::lock;
use super::signal::{Raised, Signal};
use crate::id::{ConversationId, CreatorId};
use crate::inbox::{Inbox, KeptEvent, KeptId, WaitingEvent};
use crate::store::StoreError;
use crate::time::Timestamp;

/// A creator gets so much of each look at what waits: one part in this many.
const SHARES: usize = 8;

/// An [`Inbox`] in memory.
#[derive(Default)]
pub struct MemoryInbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    events: BTreeMap<KeptId, Waiting>,
    /// With whom the last look stopped.
    cursor: Option<CreatorId>,
    signal: Signal,
}

struct Waiting {
    event: WaitingEvent,
    put_off_to: Option<Timestamp>,
}

impl MemoryInbox {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.with(|state| state.events.len())
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        let result = act(&mut state);
        let woken = state.signal.take_woken();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

impl State {
    fn of(&self, creator: CreatorId) -> impl Iterator<Item = &Waiting> {
        let ends = [0, u64::MAX].map(|number| KeptId { creator, number });
        self.events.range(ends[0]..=ends[1]).map(|(_, event)| event)
    }

    /// The first creator after this one of whom events wait.
    fn creator_after(&self, creator: Option<CreatorId>) -> Option<CreatorId> {
        let from = creator.map_or(Bound::Unbounded, |creator| {
            Bound::Excluded(KeptId {
                creator,
                number: u64::MAX,
            })
        });
        let mut rest = self.events.range((from, Bound::Unbounded));
        rest.next().map(|(id, _)| id.creator)
    }

    fn waiting(&mut self, now: Timestamp, limit: usize) -> Vec<WaitingEvent> {
        self.signal.clear();
        let share = limit.div_ceil(SHARES);
        let mut listed = Vec::new();
        let after = std::iter::successors(self.creator_after(self.cursor), |creator| {
            self.creator_after(Some(*creator))
        });
        let up_to = std::iter::successors(self.creator_after(None), |creator| {
            self.creator_after(Some(*creator))
        })
        .take_while(|creator| Some(*creator) <= self.cursor);
        for creator in after.chain(up_to) {
            let due = self
                .of(creator)
                .filter(|waiting| waiting.put_off_to.is_none_or(|until| until <= now));
            listed.extend(
                due.take(share.min(limit - listed.len()))
                    .map(|waiting| waiting.event.clone()),
            );
            if listed.len() == limit {
                break;
            }
        }
        self.cursor = listed.last().map(|event| event.id.creator);
        listed
    }
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn keep(&self, event: KeptEvent) -> Result<(), StoreError> {
        self.with(|state| {
            state.last += 1;
            let id = KeptId {
                creator: event.conversation.creator,
                number: state.last,
            };
            let waiting = Waiting {
                event: WaitingEvent {
                    id,
                    put_off: 0,
                    event,
                },
                put_off_to: None,
            };
            state.events.insert(id, waiting);
            state.signal.raise();
        });
        Ok(())
    }

    async fn waiting(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitingEvent>, StoreError> {
        Ok(self.with(|state| state.waiting(now, limit)))
    }

    async fn waiting_of(
        &self,
        id: ConversationId,
        limit: usize,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        Ok(self.with(|state| {
            state
                .of(id.creator)
                .filter(|waiting| waiting.event.event.conversation == id)
                .take(limit)
                .map(|waiting| waiting.event.clone())
                .collect()
        }))
    }

    async fn settle(&self, events: &[KeptId]) -> Result<(), StoreError> {
        self.with(|state| {
            for id in events {
                state.events.remove(id);
            }
        });
        Ok(())
    }

    async fn put_off(&self, event: KeptId, until: Timestamp) -> Result<(), StoreError> {
        self.with(|state| {
            if let Some(waiting) = state.events.get_mut(&event) {
                waiting.put_off_to = Some(until);
                waiting.event.put_off += 1;
            }
        });
        Ok(())
    }

    async fn kept(&self) {
        Raised::wait(|act| self.with(|state| act(&mut state.signal))).await;
    }
}

impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryInbox").finish_non_exhaustive()
    }
}
