//! fanvue-bot: always ordered by conversation, fair between 100 creators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::queue::{ClaimLimits, IdempotencyKey, JobQueue, NewJob, WorkerId};
use fanvue_bot::sqlx::PostgresBackend;
use fanvue_bot::time::{Clock as _, SystemClock};
use uuid::Uuid;

use crate::contestant::{Contestant, Done, Work};

const LEASE: Duration = Duration::from_secs(30);
const CREATORS: u64 = 100;
const BATCH: usize = 100;

pub(crate) struct Ours {
    queue: Arc<PostgresBackend>,
    number: AtomicU64,
}

impl Ours {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            queue: Arc::new(PostgresBackend::builder(url).open().await?),
            number: AtomicU64::new(1),
        })
    }

    fn job(&self, keys: u64) -> NewJob {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let lane = number % keys;
        let conversation = ConversationId::new(
            CreatorId::from_uuid(Uuid::from_u64_pair(1, lane % CREATORS)),
            FanId::from_uuid(Uuid::from_u64_pair(2, lane)),
        );
        NewJob::wake(
            conversation,
            SystemClock.now(),
            IdempotencyKey::new(format!("peers/{number}")),
        )
    }
}

#[async_trait]
impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "fanvue-bot"
    }

    fn keeps_order(&self) -> bool {
        true
    }

    async fn add_one(&self) -> anyhow::Result<()> {
        // As many lanes as jobs: nothing is gained by taking jobs of one lane together.
        self.queue.enqueue(&[self.job(u64::MAX)]).await?;
        Ok(())
    }

    async fn add(&self, jobs: u64, keys: Option<u64>) -> anyhow::Result<()> {
        let jobs: Vec<NewJob> = (0..jobs)
            .map(|_| self.job(keys.unwrap_or(u64::MAX)))
            .collect();
        for some in jobs.chunks(BATCH) {
            self.queue.enqueue(some).await?;
        }
        Ok(())
    }

    async fn work(&self, done: Done) -> anyhow::Result<Work> {
        let mut hands = tokio::task::JoinSet::new();
        for number in 0..4 {
            let queue = Arc::clone(&self.queue);
            let done = done.clone();
            hands.spawn(async move {
                let worker = WorkerId::new(format!("peers-{number}"));
                loop {
                    let now = SystemClock.now();
                    let lanes = match queue.claim(&worker, &ClaimLimits::lanes(BATCH), now, LEASE).await {
                        Ok(lanes) => lanes,
                        Err(error) => {
                            eprintln!("a hand stopped: {error}");
                            return;
                        }
                    };
                    if lanes.is_empty() {
                        let _waited =
                            tokio::time::timeout(Duration::from_secs(1), queue.ready()).await;
                        continue;
                    }
                    let claims: Vec<_> = lanes
                        .into_iter()
                        .flat_map(|lane| lane.jobs)
                        .map(|job| job.claim)
                        .collect();
                    done.add(claims.len() as u64);
                    if let Err(error) = queue.complete(claims, SystemClock.now()).await {
                        eprintln!("a hand stopped: {error}");
                        return;
                    }
                }
            });
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _told = stopped.await;
            hands.shutdown().await;
        });
        Ok(Work {
            stop: Box::new(move || {
                let _gone = stop.send(());
            }),
            task,
        })
    }
}
