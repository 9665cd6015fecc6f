//! One process of a bot, as far as tokens go: the test binary once more. It asks for tokens when it is told to, and
//! says what came of it.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::client::{AppCredentials, ClientSecret, FanvueClient};
use fanvue_bot::creator::Creator;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::oauth::{ConnectionAlerts, GrantId, NeedsReconnect, TokenError, TokenSource};
use fanvue_bot::persona::Persona;
use fanvue_bot::rate::Budget;
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Retry;
use fanvue_bot::secret::{Keyring, MasterKey, SecretVault};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use fanvue_bot::store::Store;
use fanvue_bot::time::{Clock, SystemClock, Timestamp};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The environment variable that makes the test binary a node.
pub(crate) const SETUP: &str = "FANVUE_BOT_TEST_TOKENS";
/// The test that is one.
pub(crate) const TEST: &str = "tokens::node::a_process_that_asks_for_tokens_when_it_is_told_to";
/// What a line of its output begins with that is its own.
pub(crate) const MARK: &str = "node: ";

pub(crate) const CLIENT_ID: &str = "reply-bot";
pub(crate) const CLIENT_SECRET: &str = "reply-bot-secret";
/// How long a fan's turn waits after a failure of the database.
const BACKOFF: Duration = Duration::from_secs(1);
/// How many fans wait for each creator's token.
pub(crate) const TASKS: usize = 64;

/// What a process is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) place: Place,
    /// The address of the simulator.
    pub(crate) simulator: String,
    pub(crate) time: Time,
    /// Where it stops in every refresh, to be killed there.
    pub(crate) stops: Option<Stop>,
}

/// The database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Time {
    /// As it is told with each order.
    Told,
    /// The system's.
    Real,
}

/// The points of a refresh at which a crash leaves different things behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stop {
    /// It is noted that a refresh begins, and none was asked for.
    BeforeRefresh,
    /// The old token is spent, and the new pair is nowhere but in the process.
    AfterRefresh,
    /// The new pair is stored and the lease still held.
    AfterStore,
}

/// An order: ask for the tokens of these creators, all of their fans at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) now: Timestamp,
    pub(crate) creators: Vec<Uuid>,
}

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// All fans of a creator have a token, or know that there is none. The tokens, each once, and how often somebody was
    /// put off.
    Ended {
        creator: Uuid,
        tokens: Vec<Option<String>>,
        put_off: u64,
    },
    /// A refresh has come to the point where it is to be killed.
    Stopped { creator: Uuid },
    /// The operator was told to connect the account again.
    Alerted { creator: Uuid },
}

fn say(said: &Said) {
    let line = format!("{MARK}{}\n", serde_json::to_string(said).unwrap());
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Does nothing unless started as a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_asks_for_tokens_when_it_is_told_to() {
    let Ok(setup) = std::env::var(SETUP) else {
        return;
    };
    // Whoever listens is to notice: a task that panics would leave them waiting for what it was to say.
    let panicked = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        panicked(info);
        std::process::exit(1);
    }));
    let node = Node::open(serde_json::from_str(&setup).unwrap()).await;
    let mut orders = orders();
    while let Some(ask) = orders.recv().await {
        node.clock.advance_to(ask.now);
        for creator in ask.creators {
            let (tokens, plan) = node.source();
            tokio::spawn(ask_for(tokens, creator, node.setup.time));
            if let Some(plan) = plan {
                tokio::spawn(tell_of_stop(plan, creator));
            }
        }
    }
}

/// What this process is told. It ends when whoever tells it is gone.
fn orders() -> mpsc::UnboundedReceiver<Ask> {
    let (told, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let ask = serde_json::from_str(&line.unwrap()).unwrap();
            told.send(ask).unwrap();
        }
        std::process::exit(1);
    });
    orders
}

/// A database for both, open.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn SecretVault>,
}

impl Place {
    pub(crate) async fn open(&self) -> Opened {
        let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
        let keyring = Keyring::new(key);
        match self {
            Self::Sqlite(path) => {
                let backend = SqliteBackend::open(path).await.unwrap();
                Opened {
                    vault: Arc::new(SqliteVault::new(backend.clone(), keyring)),
                    store: Arc::new(backend),
                }
            }
            Self::Postgres(address) => {
                let backend = PostgresBackend::open(address).await.unwrap();
                Opened {
                    vault: Arc::new(PostgresVault::new(backend.clone(), keyring)),
                    store: Arc::new(backend),
                }
            }
        }
    }
}

pub(crate) fn app() -> AppCredentials {
    AppCredentials {
        client_id: CLIENT_ID.into(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
    }
}

pub(crate) fn creator(account: Uuid) -> Creator {
    Creator::new(CreatorId::from_uuid(account), Persona::named("Luna"))
        .account(AccountId::from_uuid(account))
}

struct Node {
    setup: Setup,
    opened: Opened,
    client: Arc<RestClient>,
    clock: VirtualClock,
    tokens: TokenSource,
}

impl Node {
    async fn open(setup: Setup) -> Self {
        let opened = setup.place.open().await;
        let clock = VirtualClock::default();
        let time = time(setup.time, &clock);
        let budget = Budget::shared(Arc::clone(&opened.store), &OsEntropy).unwrap();
        let client = RestClient::builder()
            .api_base_url(setup.simulator.as_str())
            .auth_base_url(setup.simulator.as_str())
            .allow_loopback_http()
            .budget(budget.clock(Arc::clone(&time)))
            .build();
        let client = Arc::new(client.unwrap());
        let (store, vault) = (Arc::clone(&opened.store), Arc::clone(&opened.vault));
        let tokens = TokenSource::new(vault, store, Arc::<RestClient>::clone(&client), app());
        Self {
            tokens: alerting(tokens.clock(time)),
            setup,
            opened,
            client,
            clock,
        }
    }

    /// The process's own token source; or, to be killed, one of a creator's own that stops in the refresh.
    fn source(&self) -> (TokenSource, Option<FaultPlan>) {
        let (call, operation, fault) = match self.setup.stops {
            None => return (self.tokens.clone(), None),
            Some(Stop::BeforeRefresh) => (1, "FanvueClient::refresh_tokens", Fault::HangBefore),
            Some(Stop::AfterRefresh) => (1, "FanvueClient::refresh_tokens", Fault::HangAfter),
            // The first notes that a refresh begins.
            Some(Stop::AfterStore) => (2, "SecretVault::put", Fault::HangAfter),
        };
        let plan = FaultPlan::at(call, fault).only(move |name| name == operation);
        let client: Arc<dyn FanvueClient> =
            Arc::new(Faulty::new(Arc::clone(&self.client), plan.clone()));
        let tokens = TokenSource::new(
            Arc::new(Faulty::new(Arc::clone(&self.opened.vault), plan.clone())),
            Arc::clone(&self.opened.store),
            client,
            app(),
        );
        let tokens = tokens.clock(time(self.setup.time, &self.clock));
        (alerting(tokens), Some(plan))
    }
}

fn time(time: Time, told: &VirtualClock) -> Arc<dyn Clock> {
    match time {
        Time::Told => Arc::new(told.clone()),
        Time::Real => Arc::new(SystemClock),
    }
}

fn alerting(tokens: TokenSource) -> TokenSource {
    tokens.alerts(Arc::new(Pager), "https://bot.example.test/oauth/start")
}

/// Says what operators are told.
#[derive(Debug)]
struct Pager;

#[async_trait]
impl ConnectionAlerts for Pager {
    async fn needs_reconnect(
        &self,
        alert: &NeedsReconnect,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match alert.grant {
            GrantId::Creator(creator) => {
                let creator = creator.as_uuid();
                say(&Said::Alerted { creator });
                Ok(())
            }
            other => Err(format!("nobody connected {other}").into()),
        }
    }
}

async fn tell_of_stop(plan: FaultPlan, creator: Uuid) {
    while plan.hangs() == 0 {
        tokio::task::yield_now().await;
    }
    say(&Said::Stopped { creator });
}

/// All fans of a creator ask at once.
async fn ask_for(tokens: TokenSource, account: Uuid, time: Time) {
    let creator = creator(account);
    let fans: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(token_of(tokens.clone(), creator.clone(), time)))
        .collect();
    let (mut all, mut put_off) = (Vec::new(), 0);
    for fan in fans {
        let (token, waits) = fan.await.unwrap();
        all.push(token);
        put_off += waits;
    }
    all.sort_unstable();
    all.dedup();
    say(&Said::Ended {
        creator: account,
        tokens: all,
        put_off,
    });
}

/// What a job does: it asks again when it was told to, until it has a token or a person must act.
async fn token_of(tokens: TokenSource, creator: Creator, time: Time) -> (Option<String>, u64) {
    let mut put_off = 0;
    loop {
        let error = match tokens.auth(&creator).await {
            Ok(auth) => return (Some(auth.token.expose().to_owned()), put_off),
            Err(TokenError::NotConnected) => return (None, put_off),
            Err(error) => error,
        };
        put_off += 1;
        match (time, error.retry()) {
            (Time::Real, Retry::After(wait)) => tokio::time::sleep(wait).await,
            (Time::Real, Retry::Backoff) => tokio::time::sleep(BACKOFF).await,
            // Time stands still, and another process is at it.
            (Time::Told, Retry::After(_)) if matches!(error, TokenError::Busy) => {
                tokio::task::yield_now().await;
            }
            _ => panic!("{error:?}"),
        }
    }
}
