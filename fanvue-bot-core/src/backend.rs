//! A store and a queue together: the smallest seam that lets the two share one transaction where they
//! share a database, and leaves both ports whole.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::broadcast::Broadcasts;
use crate::inbox::Inbox;
use crate::queue::{JobQueue, NewJob, QueueError};
use crate::retry::Retry;
use crate::revision::Revision;
use crate::store::{Change, Store, StoreError};

/// Commits a change and enqueues the jobs that follow from it.
#[async_trait]
pub trait CommitAndEnqueue: fmt::Debug + Send + Sync + 'static {
    /// Makes `change` as [`Store::commit`] does and enqueues `jobs` as [`JobQueue::enqueue`] does. When
    /// this returns `Ok`, both are durable.
    ///
    /// [`Atomicity`] tells what an error or a dropped future can leave behind.
    ///
    /// # Errors
    /// As for the two calls.
    async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError>;

    /// Whether the two are one transaction.
    fn atomicity(&self) -> Atomicity;
}

/// Whether a change and its jobs are one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "one transaction or two, nothing between"
)]
pub enum Atomicity {
    /// Both or neither.
    OneTransaction,
    /// The change first, then the jobs: a failure between the two leaves the change without its jobs, so
    /// the caller must repeat the enqueue, which is idempotent, before it acknowledges anything.
    TwoSteps,
}

/// Why a commit with jobs failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The store refused; nothing was changed or enqueued.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue refused. With [`Atomicity::TwoSteps`] the change is made.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl BackendError {
    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Store(error) => error.retry(),
            Self::Queue(error) => error.retry(),
        }
    }
}

/// What the engine keeps its state in.
#[derive(Debug, Clone)]
pub struct Backend {
    store: Arc<dyn Store>,
    queue: Arc<dyn JobQueue>,
    commit: Arc<dyn CommitAndEnqueue>,
    inbox: Option<Arc<dyn Inbox>>,
    broadcasts: Option<Arc<dyn Broadcasts>>,
}

impl Backend {
    /// A store and a queue in one database: an accepted webhook is one transaction.
    #[must_use]
    pub fn shared<B: Store + JobQueue + CommitAndEnqueue>(backend: Arc<B>) -> Self {
        Self {
            store: Arc::<B>::clone(&backend) as Arc<dyn Store>,
            queue: Arc::<B>::clone(&backend) as Arc<dyn JobQueue>,
            commit: backend,
            inbox: None,
            broadcasts: None,
        }
    }

    /// A store and a queue that know nothing of each other: an accepted webhook is two idempotent steps.
    #[must_use]
    pub fn separate(store: Arc<dyn Store>, queue: Arc<dyn JobQueue>) -> Self {
        let commit = Arc::new(TwoSteps {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
        });
        Self {
            store,
            queue,
            commit,
            inbox: None,
            broadcasts: None,
        }
    }

    /// Keeping webhooks' events in an inbox, from which workers take them in a moment later. Default: none, so that a
    /// webhook is acknowledged when its event has been taken in.
    ///
    /// All processes of a deployment need the same, and at least one a worker.
    #[must_use]
    pub fn inbox(mut self, inbox: Arc<dyn Inbox>) -> Self {
        self.inbox = Some(inbox);
        self
    }

    /// Keeping broadcasts here. Default: none, so that there are no broadcasts.
    ///
    /// All processes of a deployment need the same.
    #[must_use]
    pub fn broadcasts(mut self, broadcasts: Arc<dyn Broadcasts>) -> Self {
        self.broadcasts = Some(broadcasts);
        self
    }

    /// Where broadcasts are kept, if they are.
    #[must_use]
    pub const fn broadcasts_in(&self) -> Option<&Arc<dyn Broadcasts>> {
        self.broadcasts.as_ref()
    }

    /// The inbox, if events are kept in one.
    #[must_use]
    pub const fn kept_in(&self) -> Option<&Arc<dyn Inbox>> {
        self.inbox.as_ref()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The queue.
    #[must_use]
    pub const fn queue(&self) -> &Arc<dyn JobQueue> {
        &self.queue
    }

    /// Whether a change and its jobs are one transaction.
    #[must_use]
    pub fn atomicity(&self) -> Atomicity {
        self.commit.atomicity()
    }

    /// Commits a change and enqueues its jobs; see [`CommitAndEnqueue::commit_and_enqueue`].
    ///
    /// # Errors
    /// As [`BackendError`] says.
    pub async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError> {
        self.commit.commit_and_enqueue(change, expected, jobs).await
    }
}

#[derive(Debug)]
struct TwoSteps {
    store: Arc<dyn Store>,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl CommitAndEnqueue for TwoSteps {
    async fn commit_and_enqueue(
        &self,
        change: &Change,
        expected: Option<Revision>,
        jobs: &[NewJob],
    ) -> Result<Revision, BackendError> {
        let revision = self.store.commit(change, expected).await?;
        if !jobs.is_empty() {
            self.queue.enqueue(jobs).await?;
        }
        Ok(revision)
    }

    fn atomicity(&self) -> Atomicity {
        Atomicity::TwoSteps
    }
}

macro_rules! forward_commit {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<C: CommitAndEnqueue + ?Sized> CommitAndEnqueue for $($pointer)::+<C> {
            async fn commit_and_enqueue(
                &self,
                change: &Change,
                expected: Option<Revision>,
                jobs: &[NewJob],
            ) -> Result<Revision, BackendError> {
                (**self).commit_and_enqueue(change, expected, jobs).await
            }

            fn atomicity(&self) -> Atomicity {
                (**self).atomicity()
            }
        }
    };
}
forward_commit!(Arc);
forward_commit!(Box);
