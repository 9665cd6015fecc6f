//! One process of the bot: the test binary once more, with the setup of a worker or of a webhook server.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::axum::{Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::engine::Engine;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::flow::Timing;
use fanvue_bot::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::prompt::without_marks;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rate::Budget;
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Backoff;
use fanvue_bot::secret::{Keyring, MasterKey, Secret};
use fanvue_bot::sqlx::postgres::Pooler;
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::{Worker, WorkerOptions};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The environment variable that makes the test binary a node.
pub(crate) const SETUP: &str = "FANVUE_BOT_TEST_NODE";
/// The test that is one.
pub(crate) const TEST: &str = "chaos::node::a_node_that_works_until_it_is_told_to_stop";

pub(crate) const CLIENT_ID: &str = "chaos-app";
pub(crate) const CLIENT_SECRET: &str = "chaos-secret";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_chaos";

/// How long a claim holds: short, so that a round need not take long.
const LEASE: Duration = Duration::from_millis(1_500);
/// The longest request to Fanvue, and how long a send may begin after it was decided.
const REQUEST: Duration = Duration::from_secs(3);
const BEGIN: Duration = Duration::from_secs(1);

/// What a node is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) way: Way,
    /// The address of the database.
    pub(crate) database: String,
    /// The address of the simulator.
    pub(crate) simulator: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Role {
    Worker,
    /// Serves webhooks at this address.
    Webhooks(SocketAddr),
}

/// What stands between a node and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    Straight,
    /// A pooler in transaction mode.
    Pooled,
}

/// Does nothing unless started as a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_works_until_it_is_told_to_stop() {
    let Ok(setup) = std::env::var(SETUP) else {
        return;
    };
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    let _logging = tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into()),
        )
        .with_writer(std::io::stderr)
        .try_init();
    end_with_the_test();

    let (stop, stopping) = watch::channel(false);
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(true);
    });
    let backend = tokio::select! {
        backend = open(&setup) => backend,
        () = stopped(stopping.clone()) => return,
    };
    match setup.role {
        Role::Worker => work(&setup, &backend, stopped(stopping)).await,
        Role::Webhooks(address) => receive(address, &backend, stopped(stopping)).await,
    }
    backend.close().await;
}

/// Ends the process when the one that started it is gone, whatever became of it.
fn end_with_the_test() {
    std::thread::spawn(|| {
        let _end = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// Opens the database, again and again while it is away, as a service manager would start the process again.
async fn open(setup: &Setup) -> PostgresBackend {
    let pooler = match setup.way {
        Way::Straight => Pooler::None,
        Way::Pooled => Pooler::Transaction,
    };
    loop {
        let opened = PostgresBackend::builder(&setup.database)
            .pooler(pooler)
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(2))
            .open()
            .await;
        match opened {
            Ok(backend) => return backend,
            Err(error) => {
                eprintln!("a node starts again: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn timing() -> Timing {
    Timing::default().send(BEGIN, BEGIN + REQUEST).search(
        Duration::from_millis(300),
        Duration::from_secs(2),
        2,
    )
}

fn backend(database: &PostgresBackend) -> Backend {
    Backend::shared(Arc::new(database.clone())).inbox(Arc::new(database.clone()))
}

async fn receive(
    address: SocketAddr,
    database: &PostgresBackend,
    stopped: impl Future<Output = ()>,
) {
    let backend = backend(database);
    let intake = fanvue_bot::intake::Intake::new(backend).timing(timing());
    let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
    let router = Webhooks::builder(verifier, intake).build().router();
    let mut limits = Limits::default();
    limits.drain = Duration::from_secs(3);
    // All of the load comes from one address.
    limits.max_connections_per_address = limits.max_connections;
    let listener = TcpListener::bind(address).await.unwrap();
    serve(listener, router, limits, stopped).await;
}

async fn work(setup: &Setup, database: &PostgresBackend, stopped: impl Future<Output = ()>) {
    let backend = backend(database);
    let fanvue = Arc::new(
        RestClient::builder()
            .api_base_url(setup.simulator.as_str())
            .auth_base_url(setup.simulator.as_str())
            .allow_loopback_http()
            .connect_timeout(Duration::from_secs(1))
            .request_timeout(REQUEST)
            .budget(Budget::shared(Arc::clone(backend.store()), &OsEntropy).unwrap())
            .build()
            .unwrap(),
    );
    let tokens = TokenSource::new(
        Arc::new(PostgresVault::new(database.clone(), keyring())),
        Arc::clone(backend.store()),
        Arc::<RestClient>::clone(&fanvue),
        AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        },
    );
    let model = Arc::new(Echo {
        node: setup.name.clone(),
        answers: AtomicU64::new(0),
    });
    let engine = Engine::builder(backend, model, fanvue, tokens)
        .timing(timing())
        .backoff(Backoff::new(
            Duration::from_millis(200),
            Duration::from_secs(2),
            30,
        ))
        .build();
    let options = WorkerOptions::new(WorkerId::new(format!(
        "{}-{}",
        setup.name,
        std::process::id()
    )))
    .lease(LEASE)
    .poll(Duration::from_millis(100))
    .drain(Duration::from_millis(700));
    Worker::new(engine, options).run(stopped).await;
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap())
}

/// Repeats what it was asked, never twice in the same words, after a time that a model may take.
#[derive(Debug)]
struct Echo {
    node: String,
    answers: AtomicU64,
}

#[async_trait]
impl LlmProvider for Echo {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let number = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(50 + number * 97 % 400)).await;
        let asked = request
            .messages
            .last()
            .map(|message| without_marks(&message.content))
            .unwrap_or_default();
        let words: Vec<&str> = asked.split_whitespace().collect();
        Ok(Completion::new(format!(
            "{} of {} in {}: {}",
            number,
            self.node,
            std::process::id(),
            words.join(" ")
        )))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}
