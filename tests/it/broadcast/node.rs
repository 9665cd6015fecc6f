//! One process of the bot: the test binary once more, with a worker and a door for webhooks.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::axum::{Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::broadcast::Broadcasts;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::engine::Engine;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::flow::Timing;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rate::Budget;
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Backoff;
use fanvue_bot::secret::{Keyring, MasterKey, Secret, SecretVault};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::{Worker, WorkerOptions};
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The environment variable that makes the test binary a node.
const SETUP: &str = "FANVUE_BOT_TEST_BROADCAST_NODE";
/// The test that is one.
const TEST: &str = "broadcast::node::a_node_that_works_until_it_is_killed";

pub(crate) const CLIENT_ID: &str = "broadcast-app";
pub(crate) const CLIENT_SECRET: &str = "broadcast-secret";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_broadcast";

/// How long a claim holds: short, so that what a killed node did is soon taken over.
const LEASE: Duration = Duration::from_secs(3);
/// The longest request to Fanvue, and how long a send may begin after it was decided.
const REQUEST: Duration = Duration::from_secs(3);
const BEGIN: Duration = Duration::from_secs(1);

/// What a node is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) database: Database,
    /// The address of the simulator.
    pub(crate) simulator: String,
    /// Where it takes webhooks in.
    pub(crate) door: SocketAddr,
}

/// Where the state is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Database {
    /// In this file.
    Sqlite(PathBuf),
    /// At this address.
    Postgres(String),
}

/// A database that is open.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) backend: Backend,
    pub(crate) broadcasts: Arc<dyn Broadcasts>,
    vault: Arc<dyn SecretVault>,
}

impl Database {
    pub(crate) async fn open(&self) -> Opened {
        match self {
            Self::Sqlite(file) => {
                let database = SqliteBackend::open(file).await.unwrap();
                let broadcasts: Arc<dyn Broadcasts> = Arc::new(database.clone());
                Opened {
                    backend: Backend::shared(Arc::new(database.clone()))
                        .broadcasts(Arc::clone(&broadcasts)),
                    broadcasts,
                    vault: Arc::new(SqliteVault::new(database, keyring())),
                }
            }
            Self::Postgres(address) => {
                let database = PostgresBackend::builder(address)
                    .max_connections(8)
                    .open()
                    .await
                    .unwrap();
                let broadcasts: Arc<dyn Broadcasts> = Arc::new(database.clone());
                Opened {
                    backend: Backend::shared(Arc::new(database.clone()))
                        .broadcasts(Arc::clone(&broadcasts)),
                    broadcasts,
                    vault: Arc::new(PostgresVault::new(database, keyring())),
                }
            }
        }
    }
}

impl Opened {
    /// A client of the simulator, and the tokens that are kept here.
    pub(crate) fn reach(&self, simulator: &str) -> (Arc<RestClient>, TokenSource) {
        let store = Arc::clone(self.backend.store());
        let fanvue = RestClient::builder()
            .api_base_url(simulator)
            .auth_base_url(simulator)
            .allow_loopback_http()
            .connect_timeout(Duration::from_secs(1))
            .request_timeout(REQUEST)
            .budget(Budget::shared(Arc::clone(&store), &OsEntropy).unwrap())
            .build()
            .unwrap();
        let fanvue = Arc::new(fanvue);
        let app = AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        };
        let vault = Arc::clone(&self.vault);
        let tokens = TokenSource::new(vault, store, Arc::<RestClient>::clone(&fanvue), app);
        (fanvue, tokens)
    }
}

fn keyring() -> Keyring {
    Keyring::new(MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap())
}

/// A node that runs, and ends as `kill -9` ends it.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// Its end tells the node that this process is gone.
    _held_open: Option<ChildStdin>,
}

impl Node {
    pub(crate) fn start(setup: &Setup) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", TEST])
            .env(SETUP, serde_json::to_string(setup).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            _held_open: child.stdin.take(),
            child,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Does nothing unless started as a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_works_until_it_is_killed() {
    let Ok(setup) = std::env::var(SETUP) else {
        return;
    };
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    std::thread::spawn(|| {
        let _end = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let opened = setup.database.open().await;
    let (fanvue, tokens) = opened.reach(&setup.simulator);
    let timing = Timing::default().send(BEGIN, BEGIN + REQUEST).search(
        Duration::from_millis(300),
        Duration::from_secs(2),
        2,
    );
    let model = Arc::new(ScriptedLlm::new([]));
    let engine = Engine::builder(opened.backend, model, fanvue, tokens)
        .timing(timing)
        .backoff(Backoff::new(
            Duration::from_millis(200),
            Duration::from_secs(2),
            30,
        ))
        .build();
    let name = WorkerId::new(format!("node-{}", std::process::id()));
    let options = WorkerOptions::new(name)
        .lease(LEASE)
        .poll(Duration::from_millis(100));
    let worker = Worker::new(engine.clone(), options);
    tokio::join!(
        worker.run(std::future::pending()),
        receive(&setup, &engine, std::future::pending())
    );
}

async fn receive(setup: &Setup, engine: &Engine, stopped: impl Future<Output = ()>) {
    let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
    let webhooks = Webhooks::builder(verifier, engine.intake().clone()).build();
    let mut limits = Limits::default();
    // All of the load comes from one address.
    limits.max_connections_per_address = limits.max_connections;
    let listener = TcpListener::bind(setup.door).await.unwrap();
    serve(listener, webhooks.router(), limits, stopped).await;
}
