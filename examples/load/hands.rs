//! A worker of nothing: claims jobs, notes when each was started, and ends them.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::queue::{
    Claim, ClaimedLane, IdempotencyKey, JobQueue, NewJob, QueueError, WorkerId,
};
use fanvue_bot::time::{Clock as _, SystemClock, Timestamp};
use fanvue_bot::worker::Shares;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::people::People;

pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A job that was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) creator: CreatorId,
    /// From when it was due, which is when it was enqueued, to now.
    pub(crate) waited: Duration,
}

/// A no-op job of this lane that is due now.
pub(crate) fn job(creator: u64, lane: u64, number: u64, due: Timestamp) -> NewJob {
    let conversation = ConversationId::new(People::creator(creator), lane_of(creator, lane));
    NewJob::wake(
        conversation,
        due,
        IdempotencyKey::new(format!("load/{number}")),
    )
}

fn lane_of(creator: u64, lane: u64) -> FanId {
    People::fan(creator, lane)
}

/// How lanes are worked off.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    pub(crate) name: &'static str,
    /// How many lanes at once.
    pub(crate) most: usize,
    /// How long a lane keeps a hand busy.
    pub(crate) busy: Duration,
}

impl Hands {
    /// Works until told to stop, and tells of every job that it starts.
    pub(crate) async fn work(
        self,
        queue: Arc<dyn JobQueue>,
        started: mpsc::UnboundedSender<Started>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let worker = WorkerId::new(self.name);
        let mut busy: JoinSet<(CreatorId, Result<(), QueueError>)> = JoinSet::new();
        // As a worker does it, unless it is told otherwise.
        let mut shares = Shares::new(Shares::usual(self.most));
        while !*stop.borrow() {
            while let Some(ended) = busy.try_join_next() {
                let (creator, ended) = ended?;
                shares.give_back(creator);
                ended?;
            }
            let free = self.most - busy.len();
            if free == 0 {
                if let Some(ended) = busy.join_next().await {
                    let (creator, ended) = ended?;
                    shares.give_back(creator);
                    ended?;
                }
                continue;
            }
            let now = SystemClock.now();
            let lanes = queue
                .claim(&worker, &shares.limits(free), now, LEASE)
                .await?;
            if lanes.is_empty() {
                tokio::select! {
                    found = queue.ready() => found?,
                    Some(ended) = busy.join_next(), if !busy.is_empty() => {
                        let (creator, ended) = ended?;
                        shares.give_back(creator);
                        ended?;
                    }
                    _ = stop.changed() => {}
                }
                continue;
            }
            let now = SystemClock.now();
            for lane in &lanes {
                for job in &lane.jobs {
                    // Whoever listened may have heard enough.
                    let _ = started.send(Started {
                        creator: lane.ordering_key.creator,
                        waited: now.since(job.due),
                    });
                }
            }
            if self.busy.is_zero() {
                queue.complete(claims(lanes), now).await?;
                continue;
            }
            for lane in lanes {
                let (queue, time) = (Arc::clone(&queue), self.busy);
                let creator = lane.ordering_key.creator;
                shares.take(creator);
                busy.spawn(async move {
                    tokio::time::sleep(time).await;
                    let ended = queue.complete(claims(vec![lane]), SystemClock.now()).await;
                    (creator, ended)
                });
            }
        }
        while let Some(ended) = busy.join_next().await {
            ended?.1?;
        }
        Ok(())
    }
}

/// The right to end all jobs of these lanes.
pub(crate) fn claims(lanes: Vec<ClaimedLane>) -> Vec<Claim> {
    lanes
        .into_iter()
        .flat_map(|lane| lane.jobs)
        .map(|job| job.claim)
        .collect()
}
