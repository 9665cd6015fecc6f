//! Creators with grants of a simulated Fanvue, and processes that share a vault and a store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::client::{AppCredentials, Auth, ClientSecret, FanvueClient, TokenSet};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AccountId, CreatorId};
use fanvue_bot_core::memory::{MemoryStore, MemoryVault};
use fanvue_bot_core::oauth::{ConnectionAlerts, NeedsReconnect, TokenSource};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{Secret, SecretId, SecretVault, VaultError};
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Clock;
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{FaultPlan, Faulty};
use fanvue_bot_testkit::simulator::world::{App, World};
use fanvue_bot_testkit::world_client::{WorldClient, moment, token_set};

pub(crate) const CLIENT_ID: &str = "app";
pub(crate) const CLIENT_SECRET: &str = "app-secret";
const SCOPES: [&str; 3] = ["offline_access", "read:self", "read:chat"];
pub(crate) const REFRESH: &str = "FanvueClient::refresh_tokens";
pub(crate) const PUT: &str = "SecretVault::put";

/// A vault that lets others run before and after each call.
#[derive(Debug)]
struct Yielding(Arc<dyn SecretVault>);

#[async_trait]
impl SecretVault for Yielding {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        tokio::task::yield_now().await;
        let got = self.0.get(id).await;
        tokio::task::yield_now().await;
        got
    }

    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        tokio::task::yield_now().await;
        let put = self.0.put(id, secret, expected).await;
        tokio::task::yield_now().await;
        put
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        self.0.delete(id, expected).await
    }
}

pub(crate) struct Scene {
    pub(crate) clock: VirtualClock,
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) vault: Arc<dyn SecretVault>,
    store: Arc<MemoryStore>,
    processes: Mutex<u64>,
    pub(crate) alerts: Arc<Pager>,
}

/// The page that alerts link to.
const START: &str = "https://bot.example.test/oauth/start";

/// Keeps what operators were told, unless it is broken.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    told: Mutex<Vec<NeedsReconnect>>,
    broken: AtomicBool,
}

impl Pager {
    pub(crate) fn told(&self) -> Vec<NeedsReconnect> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }
}

#[async_trait]
impl ConnectionAlerts for Pager {
    async fn needs_reconnect(
        &self,
        alert: &NeedsReconnect,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err("the pager is broken".into());
        }
        self.told.lock().unwrap().push(alert.clone());
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// One process: its token source, and the plan by which its ports fail.
pub(crate) struct Process {
    pub(crate) tokens: TokenSource,
    pub(crate) client: Arc<dyn FanvueClient>,
    pub(crate) plan: FaultPlan,
    requests: FaultPlan,
}

impl Process {
    /// How many refreshes it has asked Fanvue for.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.calls()
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let mut world = World::new(1);
        world.add_app(App::new(CLIENT_ID, CLIENT_SECRET));
        Self {
            clock: VirtualClock::default(),
            world: Arc::new(Mutex::new(world)),
            vault: Arc::<MemoryVault>::default(),
            store: Arc::default(),
            processes: Mutex::new(0),
            alerts: Arc::default(),
        }
    }

    /// A creator whose account was connected just now, with an access token of this life.
    pub(crate) async fn connected(&self, life: Duration) -> Creator {
        let account = {
            let mut world = self.world.lock().unwrap();
            world.settings_mut().access_token_seconds = life.as_secs();
            world.add_creator("luna", "Luna", moment(self.clock.now()))
        };
        let id = CreatorId::from_uuid(account);
        let creator =
            Creator::new(id, Persona::named("Luna")).account(AccountId::from_uuid(account));
        self.reconnect(&creator).await;
        creator
    }

    pub(crate) async fn reconnect(&self, creator: &Creator) {
        let tokens = self.issue(creator);
        let process = self.process();
        process.tokens.connect(creator.id, &tokens).await.unwrap();
    }

    fn issue(&self, creator: &Creator) -> TokenSet {
        let mut world = self.world.lock().unwrap();
        let issued = world
            .issue_tokens(
                CLIENT_ID,
                creator.id.as_uuid(),
                SCOPES,
                moment(self.clock.now()),
            )
            .unwrap();
        token_set(&issued)
    }

    /// A process with memory of its own, all of whose ports fail as its plan says.
    pub(crate) fn process(&self) -> Process {
        self.process_with(FaultPlan::none())
    }

    pub(crate) fn process_with(&self, plan: FaultPlan) -> Process {
        let requests = FaultPlan::none().only(|operation| operation == REFRESH);
        let fanvue = WorldClient::new(Arc::clone(&self.world), Arc::new(self.clock.clone()));
        let client: Arc<dyn FanvueClient> = Arc::new(Faulty::new(
            Faulty::new(fanvue, requests.clone()),
            plan.clone(),
        ));
        let seed = {
            let mut processes = self.processes.lock().unwrap();
            *processes += 1;
            *processes
        };
        let tokens = TokenSource::new(
            Arc::new(Faulty::new(Yielding(Arc::clone(&self.vault)), plan.clone())),
            Arc::new(Faulty::new(Arc::clone(&self.store), plan.clone())),
            Arc::clone(&client),
            AppCredentials {
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret::new(CLIENT_SECRET),
            },
        )
        .clock(Arc::new(self.clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .alerts(Arc::<Pager>::clone(&self.alerts), START);
        Process {
            tokens,
            client,
            plan,
            requests,
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Stores a creator.
    pub(crate) async fn add(&self, creator: Creator) {
        self.store.commit(&creator.into(), None).await.unwrap();
    }

    /// Stores a creator who is there already.
    pub(crate) async fn replace(&self, creator: Creator) {
        let before = self.store.creator(creator.id).await.unwrap().unwrap();
        let expected = Some(before.revision);
        self.store.commit(&creator.into(), expected).await.unwrap();
    }

    pub(crate) async fn creator(&self, id: CreatorId) -> Creator {
        self.store.creator(id).await.unwrap().unwrap().value
    }

    /// Whether Fanvue accepts the token.
    pub(crate) fn accepts(&self, auth: &Auth) -> bool {
        let access = auth.token.expose().parse().unwrap();
        self.world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .authorize(access, moment(self.clock.now()))
            .is_ok()
    }

    /// Fanvue ends the creator's grant.
    pub(crate) fn revoke(&self, creator: &Creator) {
        let mut world = self.world.lock().unwrap();
        world.revoke_all(CLIENT_ID, creator.id.as_uuid());
    }
}
