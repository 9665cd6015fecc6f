//! A store and a queue in memory, with one transaction for both.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::lanes::{DeadLetter, Lanes};
use super::lock;
use super::queue::{KEY_RETENTION, queue_over_lanes};
use super::records::Records;
use super::store::store_over_records;
use crate::backend::{Atomicity, BackendError, CommitAndEnqueue};
use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::queue::NewJob;
use crate::revision::{Revision, Versioned};
use crate::store::Change;
use crate::time::Timestamp;

/// A [`Store`](crate::store::Store) and a [`JobQueue`](crate::queue::JobQueue) in memory, which commit
/// together.
///
/// ```
/// use fanvue_bot_core::memory::MemoryBackend;
/// use fanvue_bot_core::persona::Persona;
/// use fanvue_bot_core::store::Store;
/// # use fanvue_bot_core::{creator::Creator, id::CreatorId};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = MemoryBackend::new();
/// let mia: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse()?;
/// let revision = backend
///     .commit(&Creator::new(mia, Persona::named("Mia")).into(), None)
///     .await?;
///
/// let read = backend.creator(mia).await?.expect("it was committed");
/// assert_eq!(read.revision, revision);
/// assert_eq!(read.value.persona.name, "Mia");
/// # Ok(())
/// # }
/// # let mut example = std::pin::pin!(example());
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # let std::task::Poll::Ready(result) = example.as_mut().poll(&mut context) else { panic!() };
/// # result.unwrap();
/// ```
pub struct MemoryBackend {
    state: Mutex<State>,
}

struct State {
    records: Records,
    lanes: Lanes,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::with_key_retention(KEY_RETENTION)
    }
}

impl MemoryBackend {
    /// An empty backend in which the name of an ended job stays taken for a day.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty backend in which the name of an ended job stays taken for `retention`.
    #[must_use]
    pub fn with_key_retention(retention: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                records: Records::default(),
                lanes: Lanes::new(retention),
            }),
        }
    }

    /// All creators, in the order of their ids.
    #[must_use]
    pub fn creators(&self) -> Vec<Versioned<Creator>> {
        self.with_records(|records| records.creators())
    }

    /// All conversations of all creators, in the order of their ids: for tests that look at everything.
    #[must_use]
    pub fn conversations(&self) -> Vec<Versioned<Conversation>> {
        self.with_records(|records| records.conversations())
    }

    /// How many jobs have not ended.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.with_lanes(|lanes| lanes.len())
    }

    /// The earliest time at which a claim finds something; `None` when no job is left. For those who
    /// drive a virtual clock.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.with_lanes(|lanes| lanes.next_due())
    }

    /// The jobs that were given up, in the order in which they were.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.with_lanes(|lanes| lanes.dead_letters())
    }

    fn with_records<R>(&self, act: impl FnOnce(&mut Records) -> R) -> R {
        act(&mut lock(&self.state).records)
    }

    fn with_lanes<R>(&self, act: impl FnOnce(&mut Lanes) -> R) -> R {
        self.with_both(|_, lanes| act(lanes))
    }

    fn with_both<R>(&self, act: impl FnOnce(&mut Records, &mut Lanes) -> R) -> R {
        let mut state = lock(&self.state);
        let State { records, lanes } = &mut *state;
        let result = act(records, lanes);
        let woken = lanes.signal.take_woken();
        drop(state);
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }
}

store_over_records!(MemoryBackend);
queue_over_lanes!(MemoryBackend);

#[async_trait]
impl CommitAndEnqueue for MemoryBackend {
    async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError> {
        self.with_both(|records, lanes| {
            // Enqueueing cannot fail, so it goes second.
            let revision = records.commit(change, expected)?;
            lanes.enqueue(jobs);
            Ok(revision)
        })
    }

    fn atomicity(&self) -> Atomicity {
        Atomicity::OneTransaction
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}
