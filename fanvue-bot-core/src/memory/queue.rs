//! A queue in memory.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use super::lanes::{DeadLetter, Lanes};
use super::lock;
use crate::time::Timestamp;

/// How long the name of an ended job stays taken, unless set otherwise.
pub(super) const KEY_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// A [`JobQueue`](crate::queue::JobQueue) in memory.
pub struct MemoryQueue {
    lanes: Mutex<Lanes>,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::with_key_retention(KEY_RETENTION)
    }
}

impl MemoryQueue {
    /// An empty queue in which the name of an ended job stays taken for a day.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty queue in which the name of an ended job stays taken for `retention`.
    #[must_use]
    pub fn with_key_retention(retention: Duration) -> Self {
        Self {
            lanes: Mutex::new(Lanes::new(retention)),
        }
    }

    /// How many jobs have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with_lanes(|lanes| lanes.len())
    }

    /// Whether every job has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    fn with_lanes<R>(&self, act: impl FnOnce(&mut Lanes) -> R) -> R {
        let mut lanes = lock(&self.lanes);
        let result = act(&mut lanes);
        let woken = lanes.signal.take_woken();
        drop(lanes);
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").finish_non_exhaustive()
    }
}

/// The port over a type with `with_lanes`.
macro_rules! queue_over_lanes {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl $crate::queue::JobQueue for $type {
            async fn enqueue(
                &self,
                jobs: &[$crate::queue::NewJob],
            ) -> Result<Vec<$crate::queue::Enqueued>, $crate::queue::QueueError> {
                Ok(self.with_lanes(|lanes| lanes.enqueue(jobs)))
            }

            async fn claim(
                &self,
                _worker: &$crate::queue::WorkerId,
                limits: &$crate::queue::ClaimLimits,
                now: $crate::time::Timestamp,
                lease: std::time::Duration,
            ) -> Result<Vec<$crate::queue::ClaimedLane>, $crate::queue::QueueError> {
                Ok(self.with_lanes(|lanes| lanes.claim(limits, now, lease)))
            }

            async fn extend(
                &self,
                claims: &[$crate::queue::Claim],
                now: $crate::time::Timestamp,
                lease: std::time::Duration,
            ) -> Result<Vec<$crate::queue::Claim>, $crate::queue::QueueError> {
                Ok(self.with_lanes(|lanes| lanes.extend(claims, now, lease)))
            }

            async fn complete(
                &self,
                claims: Vec<$crate::queue::Claim>,
                now: $crate::time::Timestamp,
            ) -> Result<(), $crate::queue::QueueError> {
                self.with_lanes(|lanes| lanes.complete(&claims, now))
            }

            async fn reschedule(
                &self,
                claim: $crate::queue::Claim,
                due: $crate::time::Timestamp,
                cause: &$crate::queue::FailureNote,
            ) -> Result<(), $crate::queue::QueueError> {
                self.with_lanes(|lanes| lanes.reschedule(&claim, due, cause))
            }

            async fn dead_letter(
                &self,
                claim: $crate::queue::Claim,
                now: $crate::time::Timestamp,
                cause: &$crate::queue::FailureNote,
            ) -> Result<(), $crate::queue::QueueError> {
                self.with_lanes(|lanes| lanes.dead_letter(&claim, now, cause))
            }

            async fn jobs(
                &self,
                lane: &$crate::queue::OrderingKey,
                page: &$crate::page::PageRequest,
            ) -> Result<$crate::page::Page<$crate::queue::JobRecord>, $crate::queue::QueueError>
            {
                self.with_lanes(|lanes| lanes.records(lane, page))
            }

            async fn erase_lane(
                &self,
                lane: &$crate::queue::OrderingKey,
            ) -> Result<(), $crate::queue::QueueError> {
                self.with_lanes(|lanes| lanes.erase(lane));
                Ok(())
            }

            async fn erase_lanes_of(
                &self,
                creator: $crate::id::CreatorId,
                limit: usize,
            ) -> Result<$crate::store::Erased, $crate::queue::QueueError> {
                Ok(self.with_lanes(|lanes| lanes.erase_lanes_of(creator, limit)))
            }

            async fn ready(&self) -> Result<(), $crate::queue::QueueError> {
                $crate::memory::signal::Raised::wait(|act| {
                    self.with_lanes(|lanes| act(&mut lanes.signal));
                })
                .await;
                Ok(())
            }
        }
    };
}
pub(super) use queue_over_lanes;
queue_over_lanes!(MemoryQueue);
