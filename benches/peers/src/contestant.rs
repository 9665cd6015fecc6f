//! What a queue has to do to be measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[async_trait]
pub(crate) trait Contestant: Send + Sync {
    fn name(&self) -> &'static str;

    fn keeps_order(&self) -> bool;

    /// Adds a job as an application would, durable when this returns.
    async fn add_one(&self) -> anyhow::Result<()>;

    /// Adds many, in order where there are keys, as fast as it can.
    async fn add(&self, jobs: u64, keys: Option<u64>) -> anyhow::Result<()>;

    /// Begins to work off what is there and what comes.
    async fn work(&self, done: Done) -> anyhow::Result<Work>;
}

/// How many jobs were started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done(Arc<(AtomicU64, Notify)>);

impl Done {
    pub(crate) fn add(&self, jobs: u64) {
        self.0.0.fetch_add(jobs, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn reached(&self, jobs: u64) {
        loop {
            let told = self.0.1.notified();
            if self.count() >= jobs {
                return;
            }
            told.await;
        }
    }
}

/// A worker that runs.
pub(crate) struct Work {
    pub(crate) stop: Box<dyn FnOnce() + Send>,
    pub(crate) task: JoinHandle<()>,
}

impl Work {
    /// Ends when the worker has ended.
    pub(crate) async fn stop(self) {
        (self.stop)();
        let _aborted = self.task.await;
    }
}
