//! apalis-postgres, in batches of 100, tasks in parallel, with its trigger for new tasks.

use apalis::prelude::{BoxDynError, Data, ParallelizeExt as _, TaskSink as _, WorkerBuilder};
use apalis_postgres::{Config, PostgresStorage};
use async_trait::async_trait;
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::contestant::{Contestant, Done, Work};

pub(crate) struct Apalis {
    pool: PgPool,
    config: Config,
}

impl Apalis {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(20)
            .connect(url)
            .await?;
        PostgresStorage::setup(&pool).await?;
        let config = Config::default().queue("nothing").batch_size(100);
        Ok(Self { pool, config })
    }

    fn storage(&self) -> PostgresStorage<u64> {
        PostgresStorage::new(&self.pool).with_config(self.config.clone())
    }
}

async fn nothing(_number: u64, done: Data<Done>) -> Result<(), BoxDynError> {
    done.add(1);
    Ok(())
}

#[async_trait]
impl Contestant for Apalis {
    fn name(&self) -> &'static str {
        "apalis-postgres"
    }

    fn keeps_order(&self) -> bool {
        false
    }

    async fn add_one(&self) -> anyhow::Result<()> {
        self.storage().push(1).await?;
        Ok(())
    }

    async fn add(&self, _jobs: u64, _keys: Option<u64>) -> anyhow::Result<()> {
        anyhow::bail!("it keeps no order")
    }

    async fn work(&self, done: Done) -> anyhow::Result<Work> {
        let worker = WorkerBuilder::new(format!("peers-{}", uuid::Uuid::now_v7()))
            .backend(self.storage().with_pubsub())
            .data(done)
            .parallelize(tokio::spawn)
            .build(nothing);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        // On a thread of its own, since the worker's future is not `Send`; its tasks run on the runtime.
        let task = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ended = worker.run() => {}
                    _told = stopped => {}
                }
            });
        });
        Ok(Work {
            stop: Box::new(move || {
                let _gone = stop.send(());
            }),
            task,
        })
    }
}
