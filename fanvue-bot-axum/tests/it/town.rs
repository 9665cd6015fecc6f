//! A simulated Fanvue with one creator and any number of fans, and engines that share one store.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use fanvue_bot_axum::{Limits, serve};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::llm::LlmProvider;
use fanvue_bot_core::memory::{MemoryBackend, MemoryVault};
use fanvue_bot_core::oauth::TokenSource;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::WorkerId;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::settings::Settings;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::{Clock, Timestamp};
use fanvue_bot_core::webhook::{Hints, Verifier};
use fanvue_bot_core::worker::{Batch, Worker, WorkerOptions};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::world::{App, PortalWebhook, World};
use fanvue_bot_testkit::world_client::{WorldClient, moment, token_set};
use tokio::net::TcpListener;
use uuid::Uuid;

const CLIENT_ID: &str = "app";
const CLIENT_SECRET: &str = "app-secret";
pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret";
const SCOPES: [&str; 5] = [
    "offline_access",
    "read:self",
    "read:chat",
    "write:chat",
    "read:fan",
];

/// A clock that goes on by itself whenever it is looked at.
#[derive(Debug)]
struct Hurried(VirtualClock, Duration);

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        self.0.advance(self.1)
    }
}

pub(crate) struct Town {
    pub(crate) clock: VirtualClock,
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) memory: Arc<MemoryBackend>,
    pub(crate) vault: Arc<MemoryVault>,
    pub(crate) creator: CreatorId,
    account: Uuid,
}

impl Town {
    /// A creator who is connected and answers at once.
    pub(crate) async fn new() -> Self {
        let clock = VirtualClock::default();
        let now = moment(clock.now());
        let mut world = World::new(1);
        let app = App::new(CLIENT_ID, CLIENT_SECRET)
            .webhook(PortalWebhook::new("https://bot.invalid/webhooks/fanvue"))
            .webhook_secret(WEBHOOK_SECRET);
        world.add_app(app);
        let account = world.add_creator("luna", "Luna", now);
        world.grant(CLIENT_ID, account, SCOPES, now);
        let issued = world.issue_tokens(CLIENT_ID, account, SCOPES, now).unwrap();
        let town = Self {
            clock,
            world: Arc::new(Mutex::new(world)),
            memory: Arc::default(),
            vault: Arc::default(),
            creator: CreatorId::from_uuid(Uuid::from_u128(7)),
            account,
        };
        let luna = Creator::new(town.creator, Persona::named("Luna"))
            .account(AccountId::from_uuid(account))
            .settings(Settings::immediate());
        town.memory.commit(&luna.into(), None).await.unwrap();
        let (tokens, granted) = (town.tokens(), token_set(&issued));
        tokens.connect(town.creator, &granted).await.unwrap();
        town
    }

    pub(crate) fn client(&self) -> WorldClient {
        WorldClient::new(Arc::clone(&self.world), Arc::new(self.clock.clone()))
    }

    pub(crate) fn tokens(&self) -> TokenSource {
        let app = AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        };
        let store = Arc::<MemoryBackend>::clone(&self.memory);
        let vault = Arc::<MemoryVault>::clone(&self.vault);
        let client = Arc::new(self.client());
        TokenSource::new(vault, store, client, app).clock(Arc::new(self.clock.clone()))
    }

    /// The engine of one more process.
    pub(crate) fn engine(&self, llm: impl LlmProvider) -> Engine {
        self.engine_on(Backend::shared(Arc::clone(&self.memory)), llm)
    }

    pub(crate) fn engine_on(&self, backend: Backend, llm: impl LlmProvider) -> Engine {
        let (client, tokens) = (Arc::new(self.client()), self.tokens());
        Engine::builder(backend, Arc::new(llm), client, tokens)
            .clock(Arc::new(self.clock.clone()))
            .build()
    }

    /// The engine of a process in which every look at the clock takes this long.
    pub(crate) fn engine_hurried(&self, step: Duration) -> Engine {
        let backend = Backend::shared(Arc::clone(&self.memory));
        let llm = Arc::new(ScriptedLlm::new([]));
        Engine::builder(backend, llm, Arc::new(self.client()), self.tokens())
            .clock(Arc::new(Hurried(self.clock.clone(), step)))
            .build()
    }

    /// Works on what is due now.
    pub(crate) async fn work(&self, engine: &Engine) {
        let options = WorkerOptions::new(WorkerId::new("w"));
        let batch = Batch {
            lanes: 50,
            time: Duration::from_secs(30),
        };
        Worker::new(engine.clone(), options)
            .run_batch(batch)
            .await
            .unwrap();
    }

    /// An agency that manages the creator at Fanvue grants what the bot needs.
    pub(crate) async fn connect_agency(&self, agency: AgencyId) {
        let now = moment(self.clock.now());
        let issued = {
            let mut world = self.world.lock().unwrap();
            let account = world.add_agency("agency", &[self.account], now);
            let scopes = SCOPES.iter().chain(&["read:creator"]);
            world.issue_tokens(CLIENT_ID, account, scopes, now).unwrap()
        };
        let granted = token_set(&issued);
        self.tokens().connect(agency, &granted).await.unwrap();
    }

    /// Fanvue ends the creator's grant.
    pub(crate) fn revoke(&self) {
        let mut world = self.world.lock().unwrap();
        world.revoke_all(CLIENT_ID, self.account);
    }

    pub(crate) fn verifier() -> Verifier {
        Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap()
    }

    /// A fan writes, and no webhook tells of it.
    pub(crate) fn fan_writes_unheard(&self) {
        let now = moment(self.clock.now());
        let mut world = self.world.lock().unwrap();
        let fan = world.add_fan("unheard", "Fan", now);
        world.fan_writes(self.account, fan, "hi", now).unwrap();
    }

    /// So many fans write, and the webhooks come in.
    pub(crate) async fn fans_write(&self, engine: &Engine, fans: usize) {
        let now = self.clock.now();
        let deliveries = {
            let mut world = self.world.lock().unwrap();
            for fan in 0..fans {
                let fan = world.add_fan(&format!("fan{fan}"), "Fan", moment(now));
                world
                    .fan_writes(self.account, fan, "hi", moment(now))
                    .unwrap();
            }
            world.take_due(moment(now))
        };
        let mut stored = 0;
        for delivery in deliveries {
            let signature = delivery.signature(moment(now));
            let verifier = Self::verifier();
            let verified = verifier
                .verify(signature.as_bytes(), &delivery.body, now)
                .unwrap();
            let event = verified.parse(&Hints::default()).unwrap();
            stored += usize::from(matches!(
                engine.accept(&event).await.unwrap(),
                Accepted::Stored(_)
            ));
        }
        assert_eq!(stored, fans);
    }

    /// So many fans follow the creator.
    pub(crate) fn add_followers(&self, count: usize) {
        let now = moment(self.clock.now());
        let mut world = self.world.lock().unwrap();
        for number in 0..count {
            let fan = world.add_fan(&format!("follower{number}"), "Fan", now);
            world.follow(self.account, fan, now).unwrap();
        }
    }

    /// The creator makes a list of fans at Fanvue.
    pub(crate) fn add_list(&self, name: &str) -> Uuid {
        let now = moment(self.clock.now());
        let mut world = self.world.lock().unwrap();
        world.create_list(self.account, name, now).unwrap()
    }

    /// How many messages the creator has sent.
    pub(crate) fn sent(&self) -> usize {
        let world = self.world.lock().unwrap();
        let chats = world.chats_of(self.account);
        chats
            .flat_map(|(_, chat)| chat.visible())
            .filter(|message| !message.from_fan())
            .count()
    }
}

/// Serves `router` until the test ends.
pub(crate) async fn served(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        router,
        Limits::default(),
        std::future::pending(),
    ));
    address
}
