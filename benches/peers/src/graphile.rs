//! graphile_worker, set up as its own benchmark for throughput is, with a named queue for each key.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext,
    WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::contestant::{Contestant, Done, Work};

const SCHEMA: &str = "graphile_worker";

pub(crate) struct Graphile {
    pool: PgPool,
    utils: WorkerUtils,
}

#[derive(Debug, Serialize, Deserialize)]
struct Nothing {}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(done) = context.get_ext::<Done>() {
            done.add(1);
        }
        Ok::<(), String>(())
    }
}

impl Graphile {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(20)
            .connect(url)
            .await?;
        let utils = WorkerUtils::new(graphile_worker::Database::from(pool.clone()), SCHEMA);
        utils.migrate().await?;
        Ok(Self { pool, utils })
    }
}

#[async_trait]
impl Contestant for Graphile {
    fn name(&self) -> &'static str {
        "graphile_worker"
    }

    fn keeps_order(&self) -> bool {
        true
    }

    async fn add_one(&self) -> anyhow::Result<()> {
        self.utils.add_job(Nothing {}, JobSpec::default()).await?;
        Ok(())
    }

    async fn add(&self, jobs: u64, keys: Option<u64>) -> anyhow::Result<()> {
        let jobs: Vec<RawJobSpec> = (0..jobs)
            .map(|number| RawJobSpec {
                identifier: Nothing::IDENTIFIER.to_owned(),
                payload: serde_json::json!({}),
                spec: match keys {
                    Some(keys) => JobSpec::builder()
                        .queue_name(format!("lane-{}", number % keys))
                        .build(),
                    None => JobSpec::default(),
                },
            })
            .collect();
        for some in jobs.chunks(5_000) {
            self.utils.add_raw_jobs(some).await?;
        }
        Ok(())
    }

    async fn work(&self, done: Done) -> anyhow::Result<Work> {
        let worker = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .concurrency(500)
            .poll_interval(Duration::from_millis(5))
            .complete_job_batch_delay(Duration::from_millis(5))
            .local_queue(LocalQueueConfig::default().with_size(5_000))
            .listen_os_shutdown_signals(false)
            .add_extension(done)
            .define_job::<Nothing>()
            .init()
            .await?;
        let worker = Arc::new(worker);
        let running = Arc::clone(&worker);
        let task = tokio::spawn(async move {
            let _ended = running.run().await;
        });
        Ok(Work {
            stop: Box::new(move || worker.request_shutdown()),
            task,
        })
    }
}
