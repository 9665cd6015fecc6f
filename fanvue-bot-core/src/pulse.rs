//! What is remembered of how the parts of a deployment are doing: when each was last seen to work, and what
//! failed since.
//!
//! Whoever does something notes how it went, which is a lock and no I/O. What was noted is written to the store's
//! registers now and then, by whichever process noted it, and put together with what other processes wrote. It is
//! for whoever watches alone: nothing that the bot does depends on it, and what a crash loses of it, at
//! most half a minute, is no loss.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), fanvue_bot_core::store::StoreError> {
//! use fanvue_bot_core::id::CreatorId;
//! use fanvue_bot_core::memory::MemoryStore;
//! use fanvue_bot_core::pulse::{Part, Pulse, Trouble, Whose};
//! use fanvue_bot_core::time::Timestamp;
//! use uuid::Uuid;
//!
//! let (store, pulse) = (MemoryStore::new(), Pulse::default());
//! let whose = Whose::Creator(CreatorId::from_uuid(Uuid::from_u128(1)));
//! let at = Timestamp::from_seconds;
//! pulse.works(whose, Part::Poll, at(60));
//! pulse.fails(whose, Part::Poll, Trouble::RateLimited, at(90));
//! pulse.flush(&store, at(90)).await?;
//!
//! // In another process:
//! let poll = Pulse::default().read(&store, whose).await?.of(Part::Poll);
//! assert_eq!(poll.worked_at, Some(at(60)));
//! assert_eq!(poll.failing().map(|failing| failing.trouble), Some(Trouble::RateLimited));
//! # Ok(())
//! # }
//! ```

mod vitals;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::vitals::{Failing, Part, Trouble, Vital, Vitals};
use crate::id::CreatorId;
use crate::revision::{Revision, Versioned};
use crate::store::{RegisterName, Store, StoreError};
use crate::time::Timestamp;

/// What only moves a time is written this often at most.
const EVERY: Duration = Duration::from_secs(30);
/// What begins or ends a failure is written this often at most: nobody outside can make the store write by
/// turning one on and off.
const SOON: Duration = Duration::from_secs(5);
/// How many records one [`Pulse::flush`] writes at most, so that it is never long.
const AT_ONCE: usize = 32;
/// More creators than a deployment has; further ones are not remembered until others are written.
const MOST: usize = 10_000;
/// A record that many processes write at once is left to the next flush after this many tries.
const TRIES: usize = 8;

/// Whose parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "one creator's, or all's")]
pub enum Whose {
    /// What the deployment has once.
    Deployment,
    /// One creator's.
    Creator(CreatorId),
}

impl Whose {
    pub(crate) fn register(self) -> RegisterName {
        match self {
            Self::Deployment => RegisterName::new("pulse"),
            Self::Creator(id) => RegisterName::new(format!("pulse/{id}")),
        }
    }
}

/// Where it is noted how things go. Clones share what was noted; [`Intake`](crate::intake::Intake) has one, and
/// the [`Engine`](crate::engine::Engine) around it has the same.
///
/// A `worker::Worker` and the webhook door of `fanvue-bot-axum` write it to the store. Whoever has
/// neither calls [`Pulse::flush`] now and then.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    records: HashMap<Whose, Record>,
    /// Somebody noted what should be written soon.
    due: bool,
    /// Somebody writes: whoever wrote the same beside them would only meet their revision.
    is_writing: bool,
}

#[derive(Debug, Default)]
struct Record {
    noted: Vitals,
    /// What the store had when it was last written or read here.
    stored: Option<(Vitals, Revision)>,
    written_at: Option<Timestamp>,
}

impl Record {
    fn is_due(&self, now: Timestamp) -> bool {
        let Some((stored, _)) = &self.stored else {
            return true;
        };
        if stored.says_the_same_as(&self.noted) {
            return false;
        }
        let pause = if stored.is_contradicted_by(&self.noted) {
            SOON
        } else {
            EVERY
        };
        self.written_at
            .is_none_or(|written_at| now < written_at || now.since(written_at) >= pause)
    }
}

impl Pulse {
    /// `part` works: something that it is needed for went well at `now`.
    pub fn works(&self, whose: Whose, part: Part, now: Timestamp) {
        self.note(whose, now, |vitals| vitals.works(part, now));
    }

    /// Something that `part` is needed for failed at `now`.
    pub fn fails(&self, whose: Whose, part: Part, trouble: Trouble, now: Timestamp) {
        self.note(whose, now, |vitals| vitals.fails(part, trouble, now));
    }

    fn note(&self, whose: Whose, now: Timestamp, note: impl FnOnce(&mut Vitals)) {
        let mut state = self.lock();
        if !state.records.contains_key(&whose) && state.records.len() >= MOST {
            state.records.retain(|_, record| record.is_due(now));
            if state.records.len() >= MOST {
                return;
            }
        }
        let record = state.records.entry(whose).or_default();
        note(&mut record.noted);
        let due = record.is_due(now);
        state.due |= due;
    }

    /// Whether something was noted that should be written soon, and nobody is writing.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let state = self.lock();
        state.due && !state.is_writing
    }

    /// Writes what is due to the store's registers: one small write for each creator of whom something new was
    /// noted, at most one in 30 s, or in 5 s while failures begin and end, and at most 32 a call.
    ///
    /// May be called at any time and at once: while one call writes, others have nothing to do. May be dropped at
    /// any point.
    ///
    /// # Errors
    /// The store's. What was not written is still due.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let Some(mut writing) = Writing::begin(self) else {
            return Ok(());
        };
        let due: Vec<(Whose, Vitals, Option<Revision>)> = {
            let mut state = self.lock();
            let mut due: Vec<_> = state
                .records
                .iter()
                .filter(|(_, record)| record.is_due(now))
                .map(|(whose, record)| (*whose, record))
                .collect();
            due.sort_by_key(|(whose, record)| (record.written_at, *whose));
            let more = due.len() > AT_ONCE;
            due.truncate(AT_ONCE);
            let due = due
                .into_iter()
                .map(|(whose, record)| match &record.stored {
                    Some((stored, revision)) => {
                        (whose, stored.merged(&record.noted), Some(*revision))
                    }
                    None => (whose, record.noted.clone(), None),
                })
                .collect();
            state.due = more;
            due
        };
        for (whose, vitals, expected) in due {
            self.write(store, whose, vitals, expected, now).await?;
        }
        writing.is_done = true;
        Ok(())
    }

    async fn write(
        &self,
        store: &dyn Store,
        whose: Whose,
        mut vitals: Vitals,
        mut expected: Option<Revision>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = whose.register();
        for _ in 0..TRIES {
            match store.set_register(&name, &vitals.to_text(), expected).await {
                Ok(revision) => {
                    if let Some(record) = self.lock().records.get_mut(&whose) {
                        record.stored = Some((vitals, revision));
                        record.written_at = Some(now);
                    }
                    return Ok(());
                }
                Err(StoreError::Conflict) => {
                    let stored = read(store, &name).await?;
                    expected = stored.as_ref().map(|stored| stored.revision);
                    if let Some(stored) = stored {
                        vitals = stored.value.merged(&vitals);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.lock().due = true;
        Ok(())
    }

    /// What is known: what is stored, together with what was noted here.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self, store: &dyn Store, whose: Whose) -> Result<Vitals, StoreError> {
        let stored = read(store, &whose.register()).await?;
        let stored = stored.map(|stored| stored.value).unwrap_or_default();
        Ok(match self.lock().records.get(&whose) {
            Some(record) => stored.merged(&record.noted),
            None => stored,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write, of one call at a time.
struct Writing<'a> {
    pulse: &'a Pulse,
    is_done: bool,
}

impl<'a> Writing<'a> {
    fn begin(pulse: &'a Pulse) -> Option<Self> {
        let was_taken = std::mem::replace(&mut pulse.lock().is_writing, true);
        (!was_taken).then_some(Self {
            pulse,
            is_done: false,
        })
    }
}

impl Drop for Writing<'_> {
    /// What a call that failed or was dropped did not write is left to the next.
    fn drop(&mut self) {
        let mut state = self.pulse.lock();
        state.is_writing = false;
        state.due |= !self.is_done;
    }
}

async fn read(
    store: &dyn Store,
    name: &RegisterName,
) -> Result<Option<Versioned<Vitals>>, StoreError> {
    let stored = store.register(name).await?;
    Ok(stored.map(|stored| Versioned {
        value: Vitals::from_text(&stored.value),
        revision: stored.revision,
    }))
}

#[cfg(test)]
mod tests;
