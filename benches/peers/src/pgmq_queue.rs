//! pgmq: messages without workers; four readers take 100 at a time and delete them in one call.

use std::time::Duration;

use async_trait::async_trait;
use pgmq::PGMQueueExt;

use crate::contestant::{Contestant, Done, Work};

const QUEUE: &str = "nothing";

pub(crate) struct Pgmq {
    queue: PGMQueueExt,
}

impl Pgmq {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let queue = PGMQueueExt::new(url.to_owned(), 20).await?;
        queue.install_sql_from_embedded().await?;
        queue.create(QUEUE).await?;
        Ok(Self { queue })
    }
}

#[async_trait]
impl Contestant for Pgmq {
    fn name(&self) -> &'static str {
        "pgmq"
    }

    fn keeps_order(&self) -> bool {
        false
    }

    async fn add_one(&self) -> anyhow::Result<()> {
        self.queue.send(QUEUE, &1_u64).await?;
        Ok(())
    }

    async fn add(&self, _jobs: u64, _keys: Option<u64>) -> anyhow::Result<()> {
        anyhow::bail!("it is measured without order")
    }

    async fn work(&self, done: Done) -> anyhow::Result<Work> {
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let queue = self.queue.clone();
            let done = done.clone();
            readers.spawn(async move {
                loop {
                    let Ok(messages) = queue.read_batch::<u64>(QUEUE, 30, 100).await else {
                        return;
                    };
                    if messages.is_empty() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                    done.add(messages.len() as u64);
                    let ids: Vec<i64> = messages.iter().map(|message| message.msg_id).collect();
                    if queue.delete_batch(QUEUE, &ids).await.is_err() {
                        return;
                    }
                }
            });
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _told = stopped.await;
            readers.shutdown().await;
        });
        Ok(Work {
            stop: Box::new(move || {
                let _gone = stop.send(());
            }),
            task,
        })
    }
}
