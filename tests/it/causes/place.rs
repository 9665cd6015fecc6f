//! A deployment that is well: a simulated Fanvue over HTTP, two SQLite files, the webhook door and the internal
//! routes over HTTP, and one clock for all of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot::axum::{BearerSecret, Internal, Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::health::Cause;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rate::Budget;
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::{Keyring, MasterKey, Secret};
use fanvue_bot::settings::Settings;
use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
use fanvue_bot::store::Store as _;
use fanvue_bot::tick::Tick;
use fanvue_bot::time::Timestamp;
use fanvue_bot::webhook::{Signer, Verifier};
use fanvue_bot::worker::{Batch, Worker, WorkerOptions};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{
    App, DeliveryState, PortalWebhook, RequestFault, RequestRule, Trigger, WebhookFault,
    WebhookRule,
};
use fanvue_bot_testkit::world_client::timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::given::{FanvuesTime, token_set};

const CLIENT_ID: &str = "reply-bot";
pub(super) const CLIENT_SECRET: &str = "reply-bot-secret";
const WEBHOOK_SECRET: &str = "whsec_of_the_app";
const BEARER: &str = "0123456789abcdef0123456789abcdef";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const LIMIT: Duration = Duration::from_secs(20);
/// What a reply bot asks for.
pub(super) const SCOPES: [&str; 5] = [
    "offline_access",
    "read:self",
    "read:chat",
    "write:chat",
    "read:fan",
];

/// How a model fails.
pub(super) type Failure = fn() -> LlmError;

/// A model that answers, but while it is told to fail.
#[derive(Debug, Clone)]
struct Model {
    answers: Arc<ScriptedLlm>,
    fails: Arc<Mutex<Option<Failure>>>,
}

#[async_trait]
impl LlmProvider for Model {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        let fails = *self.fails.lock().unwrap();
        match fails {
            Some(error) => Err(error()),
            None => self.answers.complete(request).await,
        }
    }

    fn capabilities(&self) -> LlmCapabilities {
        self.answers.capabilities()
    }
}

/// What a process is started with.
pub(super) struct Config {
    pub(super) client_secret: &'static str,
    /// How long every look at the clock takes.
    pub(super) look: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_secret: CLIENT_SECRET,
            look: Duration::ZERO,
        }
    }
}

/// One process of the deployment.
pub(super) struct Process {
    pub(super) engine: Engine,
    tokens: TokenSource,
    pub(super) database: SqliteBackend,
    pub(super) secrets: SqliteBackend,
    pub(super) vault: SqliteVault,
    address: String,
}

/// A deployment with one creator, who is connected, whose fan has been answered.
pub(super) struct Place {
    pub(super) fanvue: Simulator,
    pub(super) process: Process,
    pub(super) creator: CreatorId,
    luna: Uuid,
    model: Model,
    browser: reqwest::Client,
    fans: u32,
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) async fn open() -> Self {
        let app = App::new(CLIENT_ID, CLIENT_SECRET).webhook_secret(WEBHOOK_SECRET);
        let fanvue = Simulator::builder().app(app).start().await.unwrap();
        // What becomes of a webhook is settled at once.
        fanvue.with_world(|world, _| world.settings_mut().webhook_retries.clear());
        let luna = fanvue.add_creator("luna", "Luna");
        let folder = tempfile::tempdir().unwrap();
        let model = Model {
            answers: Arc::new(ScriptedLlm::new([])),
            fails: Arc::default(),
        };
        let creator = CreatorId::from_uuid(Uuid::from_u128(7));
        let process = Process::start(&fanvue, &folder, &model, Config::default()).await;
        let new = Creator::new(creator, Persona::named("Luna"))
            .account(AccountId::from_uuid(luna))
            .settings(Settings::immediate());
        process.database.commit(&new.into(), None).await.unwrap();
        let mut place = Self {
            fanvue,
            process,
            creator,
            luna,
            model,
            browser: reqwest::Client::new(),
            fans: 0,
            folder,
        };
        place.connect(&SCOPES).await;
        place.fan_is_answered().await;
        place
    }

    /// Starts the process anew, on the same files.
    pub(super) async fn restart(&mut self, config: Config) {
        self.process.database.close().await;
        self.process.secrets.close().await;
        self.process = Process::start(&self.fanvue, &self.folder, &self.model, config).await;
    }

    /// The creator grants this.
    pub(super) async fn connect(&self, scopes: &[&str]) {
        let tokens = &self.process.tokens;
        let granted = self
            .fanvue
            .issue_tokens(CLIENT_ID, self.luna, scopes)
            .unwrap();
        tokens
            .connect(self.creator, &token_set(&granted))
            .await
            .unwrap();
        self.try_again().await;
    }

    pub(super) async fn disconnect(&self) {
        self.process.tokens.disconnect(self.creator).await.unwrap();
    }

    /// Fanvue ends the grant, and the app's webhooks go on.
    pub(super) fn revoke(&self) {
        self.fanvue
            .with_world(|world, _| world.revoke_all(CLIENT_ID, self.luna));
    }

    /// One more creator, who is connected.
    pub(super) async fn add_creator(&self) {
        let nova = self.fanvue.add_creator("nova", "Nova");
        let id = CreatorId::from_uuid(Uuid::from_u128(8));
        let new = Creator::new(id, Persona::named("Nova"))
            .account(AccountId::from_uuid(nova))
            .settings(Settings::immediate());
        let database = &self.process.database;
        database.commit(&new.into(), None).await.unwrap();
        let granted = self.fanvue.issue_tokens(CLIENT_ID, nova, SCOPES).unwrap();
        let granted = token_set(&granted);
        self.process.tokens.connect(id, &granted).await.unwrap();
    }

    /// A fan of theirs writes, and the webhook comes in.
    pub(super) async fn another_creators_fan_writes(&self) {
        let nova = self.fanvue.with_world(|world, _| {
            let mut creators = world.creators();
            creators.find(|one| one.handle == "nova").unwrap().uuid
        });
        let fan = self.fanvue.add_fan("novas", "Fan");
        self.fanvue.fan_writes(nova, fan, "hi").unwrap();
        self.delivered().await;
        self.work(10).await;
    }

    pub(super) async fn change(&self, change: impl FnOnce(&mut Creator)) {
        let database = &self.process.database;
        let mut creator = database.creator(self.creator).await.unwrap().unwrap();
        change(&mut creator.value);
        let expected = Some(creator.revision);
        let changed = creator.value.into();
        database.commit(&changed, expected).await.unwrap();
    }

    /// A new fan writes, and what becomes of the webhook is settled.
    pub(super) async fn fan_writes(&mut self) {
        self.fans += 1;
        let fan = self.fanvue.add_fan(&format!("fan{}", self.fans), "Fan");
        self.fanvue.fan_writes(self.luna, fan, "hi").unwrap();
        self.delivered().await;
    }

    async fn delivered(&self) {
        let settled = self.fanvue.wait_until(LIMIT, |world| {
            let mut deliveries = world.deliveries().iter();
            deliveries.all(|one| {
                matches!(
                    one.state,
                    DeliveryState::Delivered | DeliveryState::GivenUp | DeliveryState::Dropped
                )
            })
        });
        assert!(settled.await, "{:?}", self.fanvue.deliveries());
    }

    /// A worker claims so many lanes at most, and ends.
    pub(super) async fn work(&self, lanes: usize) {
        let options = WorkerOptions::new(WorkerId::new("w"));
        let batch = Batch { lanes, time: LIMIT };
        let worker = Worker::new(self.process.engine.clone(), options);
        worker.run_batch(batch).await.unwrap();
    }

    /// A new fan writes, and a worker is at it.
    pub(super) async fn fan_is_seen_to(&mut self) {
        self.fan_writes().await;
        self.work(10).await;
    }

    /// As [`Place::fan_is_seen_to`], to the end.
    pub(super) async fn fan_is_answered(&mut self) {
        let before = self.fanvue.sent_answers().len();
        self.fan_is_seen_to().await;
        assert!(self.fanvue.sent_answers().len() > before);
    }

    /// What waits for a person goes on.
    pub(super) async fn try_again(&self) {
        let engine = &self.process.engine;
        engine.try_again(self.creator).await.unwrap();
        self.work(10).await;
    }

    /// What has to be done from time to time, as often as it takes until the chats were to be read again.
    pub(super) async fn poll(&self) {
        for _ in 0..3 {
            let tick = Tick::new(&self.process.engine);
            tick.run(self.now() + LIMIT).await.unwrap();
            self.minutes_pass(1);
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        timestamp(self.fanvue.now())
    }

    pub(super) fn minutes_pass(&self, minutes: u64) {
        self.fanvue.advance(Duration::from_secs(60 * minutes));
    }

    pub(super) fn model_fails(&self, error: Option<Failure>) {
        *self.model.fails.lock().unwrap() = error;
    }

    /// Until the faults are cleared, this becomes of such requests.
    pub(super) fn fanvue_fails(&self, fault: RequestFault, path: &str) {
        let mut rule = RequestRule::new(fault, Trigger::Chance(1.0));
        rule.path = Some(path.to_owned());
        self.fanvue.add_request_fault(rule);
    }

    /// A new fan writes, and this becomes of the webhook.
    pub(super) async fn webhook_fails(&mut self, fault: WebhookFault) {
        let rule = WebhookRule::new(fault, Trigger::Chance(1.0));
        self.fanvue.add_webhook_fault(rule);
        self.fan_writes().await;
        self.fanvue.clear_faults();
    }

    /// Posts what is signed with the app's secret, below this path of the door.
    pub(super) async fn post_signed(&self, path: &str, body: &str) -> u16 {
        let signer = Signer::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
        let signature = signer.header(self.now(), body.as_bytes());
        let door = format!("{}/webhooks/fanvue{path}", self.process.address);
        let request = self.browser.post(door).body(body.to_owned());
        let request = request.header("x-fanvue-signature", signature);
        request.send().await.unwrap().status().as_u16()
    }

    /// A message to the creator as Fanvue tells of it.
    pub(super) fn message(&self) -> String {
        let id = Uuid::new_v4();
        format!(
            r#"{{"recipientUuid":"{}","sender":{{"uuid":"{id}"}},"messageUuid":"{id}","message":{{"text":"hi"}}}}"#,
            self.luna
        )
    }

    /// `GET /internal/health`, asked by this query.
    pub(super) async fn health(&self, query: &str) -> String {
        let url = format!("{}/internal/health{query}", self.process.address);
        let answer = self.browser.get(url).bearer_auth(BEARER);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// The lines that health has about this cause, the deployment's and all creators'.
    pub(super) async fn told(&self, cause: Cause) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.health("").await).unwrap();
        let unwell = report["unwell"].as_array().unwrap().iter();
        let lines = unwell.chain([&report]).flat_map(|one| {
            let lines = one["lines"].as_array().unwrap();
            lines.iter().filter(|line| line["cause"] == cause.as_str())
        });
        lines.cloned().collect()
    }
}

impl Process {
    async fn start(
        fanvue: &Simulator,
        folder: &tempfile::TempDir,
        model: &Model,
        config: Config,
    ) -> Self {
        let open = |name| SqliteBackend::open(folder.path().join(name));
        let (database, secrets) = (open("bot.db"), open("secrets.db"));
        let (database, secrets) = (database.await.unwrap(), secrets.await.unwrap());
        let keyring = Keyring::new(MasterKey::from_bytes(KEY).unwrap());
        let vault = SqliteVault::new(secrets.clone(), keyring);
        let clock = Arc::new(FanvuesTime::moved_by_each_look(fanvue, config.look));
        let store = Arc::new(database.clone());
        let budget = Budget::shared(Arc::<SqliteBackend>::clone(&store), &OsEntropy).unwrap();
        let client = RestClient::builder()
            .api_base_url(fanvue.base_url())
            .auth_base_url(fanvue.base_url())
            .allow_loopback_http()
            .budget(budget.clock(Arc::<FanvuesTime>::clone(&clock)))
            .build()
            .unwrap();
        let client = Arc::new(client);
        let app = AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(config.client_secret),
        };
        let tokens = TokenSource::new(
            Arc::new(vault.clone()),
            store,
            Arc::<RestClient>::clone(&client),
            app,
        )
        .clock(Arc::<FanvuesTime>::clone(&clock));
        let backend = Backend::shared(Arc::new(database.clone()));
        let engine = Engine::builder(backend, Arc::new(model.clone()), client, tokens.clone())
            .clock(clock)
            .build();
        let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
        let webhooks = Webhooks::builder(verifier, engine.intake().clone()).build();
        let bearer = BearerSecret::new(&Secret::new(BEARER)).unwrap();
        let internal = Internal::builder(bearer, engine.clone()).build();
        let router = webhooks.router().merge(internal.router());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(
            listener,
            router,
            Limits::default(),
            std::future::pending(),
        ));
        let webhook = PortalWebhook::new(format!("{address}/webhooks/fanvue"));
        fanvue.set_webhook(CLIENT_ID, Some(webhook)).unwrap();
        Self {
            engine,
            tokens,
            database,
            secrets,
            vault,
            address,
        }
    }
}
