//! A deployment in one process, whose time is the simulated Fanvue's: the webhook door over HTTP, and Fanvue over
//! HTTP by either family of paths.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::axum::{Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot::memory::{MemoryBackend, MemoryVault};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rate::Budget;
use fanvue_bot::rest::{PathFamily, RestClient};
use fanvue_bot::secret::Secret;
use fanvue_bot::settings::Settings;
use fanvue_bot::store::Store as _;
use fanvue_bot::tick::{Tick, TickReport};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::{Batch, BatchReport, Worker, WorkerOptions};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{App, DeliveryState, PortalWebhook, SCOPES};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::given::{FanvuesTime, token_set};

const CLIENT_ID: &str = "reply-bot";
const CLIENT_SECRET: &str = "reply-bot-secret";
const WEBHOOK_SECRET: &str = "whsec_of_the_app";
/// For what happens in real time.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) fanvue: Simulator,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryBackend>,
    tokens: TokenSource,
    stop: oneshot::Sender<()>,
}

impl Scene {
    pub(crate) async fn open(family: PathFamily, per_minute: u64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = format!("http://{}/webhooks/fanvue", listener.local_addr().unwrap());
        let app = App::new(CLIENT_ID, CLIENT_SECRET)
            .webhook(PortalWebhook::new(door))
            .webhook_secret(WEBHOOK_SECRET);
        let fanvue = Simulator::builder()
            .app(app)
            .rate_limits(per_minute, 80)
            .start()
            .await
            .unwrap();
        let clock = Arc::new(FanvuesTime::of(&fanvue));
        let store = Arc::new(MemoryBackend::new());
        let shared = Arc::<MemoryBackend>::clone(&store);
        let budget = Budget::shared(shared, &OsEntropy).unwrap();
        let client = RestClient::builder()
            .api_base_url(fanvue.base_url())
            .auth_base_url(fanvue.base_url())
            .allow_loopback_http()
            .path_family(family)
            .budget(budget.clock(Arc::<FanvuesTime>::clone(&clock)))
            .build()
            .unwrap();
        let client = Arc::new(client);
        let app = AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        };
        let tokens = TokenSource::new(
            Arc::new(MemoryVault::new()),
            Arc::<MemoryBackend>::clone(&store),
            Arc::<RestClient>::clone(&client),
            app,
        )
        .clock(Arc::<FanvuesTime>::clone(&clock));
        let backend = Backend::shared(Arc::<MemoryBackend>::clone(&store));
        let model = Arc::new(ScriptedLlm::new([]));
        let engine = Engine::builder(backend, model, client, tokens.clone())
            .clock(clock)
            .build();
        let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
        let router = Webhooks::builder(verifier, engine.intake().clone())
            .build()
            .router();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, router, Limits::default(), async {
            let _ended = stopped.await;
        }));
        Self {
            fanvue,
            engine,
            store,
            tokens,
            stop,
        }
    }

    /// A creator who has connected an account of their own; its id.
    pub(crate) async fn creator(&self, handle: &str) -> Uuid {
        let account = self.fanvue.add_creator(handle, handle);
        let id = CreatorId::from_uuid(account);
        let granted = self.fanvue.issue_tokens(CLIENT_ID, account, SCOPES);
        let granted = token_set(&granted.unwrap());
        self.tokens.connect(id, &granted).await.unwrap();
        self.keep(handle, account, None).await
    }

    /// A creator whom an agency's grant reaches; the id of their account.
    pub(crate) async fn managed_creator(&self, handle: &str) -> Uuid {
        let account = self.fanvue.add_creator(handle, handle);
        let agency = self
            .fanvue
            .with_world(|world, now| world.add_agency("agency", &[account], now));
        let id = AgencyId::from_uuid(agency);
        let granted = self.fanvue.issue_tokens(CLIENT_ID, agency, SCOPES);
        let granted = token_set(&granted.unwrap());
        self.tokens.connect(id, &granted).await.unwrap();
        self.keep(handle, account, Some(id)).await
    }

    async fn keep(&self, handle: &str, account: Uuid, agency: Option<AgencyId>) -> Uuid {
        let id = CreatorId::from_uuid(account);
        let mut creator = Creator::new(id, Persona::named(handle))
            .account(AccountId::from_uuid(account))
            .settings(Settings::immediate());
        creator.agency = agency;
        self.store.commit(&creator.into(), None).await.unwrap();
        account
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.fanvue.advance(time);
    }

    /// What has to be done from time to time.
    pub(crate) async fn tick(&self) -> TickReport {
        let until = self.engine.now() + LIMIT;
        Tick::new(&self.engine).run(until).await.unwrap()
    }

    /// A worker does what is due.
    pub(crate) async fn work(&self) -> BatchReport {
        let options = WorkerOptions::new(WorkerId::new("worker"));
        let worker = Worker::new(self.engine.clone(), options);
        let batch = Batch {
            lanes: 100,
            time: LIMIT,
        };
        worker.run_batch(batch).await.unwrap()
    }

    /// What became of each webhook is settled.
    pub(crate) async fn delivered(&self) {
        let settled = self.fanvue.wait_until(LIMIT, |world| {
            let mut deliveries = world.deliveries().iter();
            deliveries.all(|one| one.state != DeliveryState::Queued)
        });
        assert!(settled.await, "{:?}", self.fanvue.deliveries());
    }

    /// How many requests Fanvue refused with 429.
    pub(crate) fn refused(&self) -> usize {
        let requests = self.fanvue.requests();
        let refused = requests.iter().filter(|one| one.status == Some(429));
        refused.count()
    }

    pub(crate) async fn close(self) {
        let _ended = self.stop.send(());
        self.fanvue.stop().await;
    }
}
