//! A whole life of a deployment in which every secret is a canary, and then a search for them: in logs at trace level,
//! in errors, in answers, in `Debug`, and in the raw bytes of the database.
//!
//! The life is lived in a process of its own, whose logs are its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod net;

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use fanvue_bot::axum::{
    BearerSecret, Connections, Health, Internal, Limits, OAuth, Webhooks, serve,
};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::CreatorId;
use fanvue_bot::oauth::{App, Authorizer, TokenSource};
use fanvue_bot::openai::OpenAi;
use fanvue_bot::persona::Persona;
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::{
    Keyring, MasterKey, Rewrap, Rotation, RotationStep, Secret, SecretId, SecretKind,
};
use fanvue_bot::settings::Settings;
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use fanvue_bot::webhook::{Signer, Subscriptions, Verifier};
use fanvue_bot_testkit::simulator::world::{
    self, PortalWebhook, RequestFault, RequestRule, Trigger,
};
use fanvue_bot_testkit::simulator::{ConsentMode, Simulator};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, LOCATION};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use self::net::Net;
use crate::connect::Cookies;
use crate::postgres_server::{Fresh, fresh};

const STORE: &str = "FANVUE_BOT_CANARY_STORE";

const CLIENT_ID: &str = "reply-bot";
const CLIENT_SECRET: &str = "canary client/secret+1=&\"x";
const WRONG_CLIENT_SECRET: &str = "canary wrong-secret/2+=&\"x";
const OWN_CLIENT_SECRET: &str = "canary-own/client-secret+13=&\"x";
const TYPED_CLIENT_SECRET: &str = "canary-typed/client-secret+15=&\"x";
const TYPED_WEBHOOK_SECRET: &str = "canary/whsec+typed=16&\"x";
const APP_WEBHOOK_SECRET: &str = "canary/whsec+app=3&\"x";
const CREATORS_WEBHOOK_SECRET: &str = "canary/whsec+own=4&\"x";
const CREATORS_OLD_WEBHOOK_SECRET: &str = "canary/whsec+old=5&\"x";
const API_KEY: &str = "sk-canary/model+6=&\"x";
const BEARER: &str = "canary/bearer+7=&\"x-0123456789abcdef";
const WRONG_BEARER: &str = "canary/bearer+8=&\"x-0123456789abcdef";
const SESSION: &str = "canary-session-9";
const DATABASE_PASSWORD: &str = "canary-database-password-10";
const OLD_KEY: &[u8; 32] = b"canary/master+key=11&\"x-01234567";
const NEW_KEY: &[u8; 32] = b"canary/master+key=12&\"x-01234567";

const PLANTED: &str = "canary planted=14&\"x";

const FANS_WORDS: &str = "do you remember the zephyrquartz evening";
const FANS_NAME: &str = "Marmaduke Quillfeather";
const FANS_HANDLE: &str = "quillfeather";
const REPLY: &str = "of course i remember, the lanternmoss was glowing";
const BIOGRAPHY: &str = "Collects thistlewicks in the harbor of Porto.";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// For crates that log without `tracing`.
impl log::Log for Log {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Everything that was shown to somebody: errors, answers, `Debug`.
#[derive(Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    fn note(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    fn debug(&mut self, place: &str, value: &dyn Debug) {
        self.note(place, format!("{value:?} {value:#?}"));
    }

    /// An error in every way that it can be shown.
    fn error(&mut self, place: &str, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.note(place, format!("{error} {error:?} {error:#?}"));
            next = error.source();
        }
    }

    /// What a call failed with, which it must.
    fn failure<T: Debug, E: Error + 'static>(&mut self, place: &str, result: Result<T, E>) {
        self.error(place, &result.expect_err(place));
    }
}

/// How the model answers next; the last answer stays.
type Model = Arc<Mutex<Vec<&'static str>>>;

/// A server that repeats in its errors whatever it was sent.
async fn complete(State(next): State<Model>, headers: HeaderMap, body: String) -> Response {
    let how = {
        let mut next = next.lock().unwrap();
        if next.len() > 1 {
            next.remove(0)
        } else {
            next[0]
        }
    };
    let key = headers[AUTHORIZATION].to_str().unwrap().to_owned();
    let echo = serde_json::json!({"error": {"message": format!("{key} {body}"), "code": 7}});
    match how {
        "401" => (StatusCode::UNAUTHORIZED, echo.to_string()).into_response(),
        "500" => (StatusCode::INTERNAL_SERVER_ERROR, echo.to_string()).into_response(),
        "error on 200" => echo.to_string().into_response(),
        "garbage" => format!("<html>{key} {body}").into_response(),
        _ => serde_json::json!({
            "choices": [{"message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        })
        .to_string()
        .into_response(),
    }
}

/// The database, and what must outlive it.
enum Database {
    Sqlite(SqliteBackend, tempfile::TempDir),
    Postgres(PostgresBackend, Fresh),
}

impl Database {
    async fn open(kind: &str) -> Option<Self> {
        if kind == "sqlite" {
            let dir = tempfile::tempdir().unwrap();
            let backend = SqliteBackend::open(dir.path().join("bot.db"))
                .await
                .unwrap();
            return Some(Self::Sqlite(backend, dir));
        }
        let fresh = fresh().await?;
        let backend = PostgresBackend::builder(fresh.address()).max_connections(4);
        Some(Self::Postgres(backend.open().await.unwrap(), fresh))
    }

    fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(backend, _) => Backend::shared(Arc::new(backend.clone())),
            Self::Postgres(backend, _) => Backend::shared(Arc::new(backend.clone())),
        }
    }

    fn vault(&self, keyring: Keyring) -> Arc<dyn Rewrap> {
        match self {
            Self::Sqlite(backend, _) => Arc::new(SqliteVault::new(backend.clone(), keyring)),
            Self::Postgres(backend, _) => Arc::new(PostgresVault::new(backend.clone(), keyring)),
        }
    }

    async fn close(&self) {
        match self {
            Self::Sqlite(backend, _) => backend.close().await,
            Self::Postgres(backend, _) => backend.close().await,
        }
    }

    /// Every byte that is at rest, file by file.
    async fn bytes(&self) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Sqlite(_, dir) => std::fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
                .collect(),
            Self::Postgres(_, fresh) => files_of_postgres(fresh).await,
        }
    }
}

/// The files of all tables and indexes, the write-ahead log of the last while, and what a dump would say.
async fn files_of_postgres(fresh: &Fresh) -> Vec<(String, Vec<u8>)> {
    let mut admin = fresh.connect_as_admin().await;
    let mut files = Vec::new();
    let tables = sqlx::query(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'fanvue_bot'::regnamespace AND relkind = 'r'",
    );
    for row in tables.fetch_all(&mut admin).await.unwrap() {
        let table: String = row.get(0);
        let rows = format!(
            "SELECT coalesce(string_agg(t::text, chr(10)), '') FROM fanvue_bot.{table} AS t"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(rows))
            .fetch_one(&mut admin)
            .await;
        files.push((table, rows.unwrap().get::<String, _>(0).into_bytes()));
    }
    sqlx::raw_sql("CHECKPOINT")
        .execute(&mut admin)
        .await
        .unwrap();
    let paths = sqlx::query(
        "SELECT c.relname::text, pg_read_binary_file(pg_relation_filepath(c.oid)) FROM pg_class AS c \
         WHERE pg_relation_filenode(c.oid) IS NOT NULL AND c.oid >= 16384 \
         UNION ALL SELECT 'log', pg_read_binary_file('pg_wal/' || pg_walfile_name(pg_current_wal_lsn()))",
    );
    for row in paths.fetch_all(&mut admin).await.unwrap() {
        files.push((row.get(0), row.get(1)));
    }
    admin.close().await.unwrap();
    files
}

fn old_key() -> MasterKey {
    MasterKey::from_bytes(OLD_KEY).unwrap()
}

fn new_key() -> MasterKey {
    MasterKey::from_bytes(NEW_KEY).unwrap()
}

/// A running deployment.
struct Life {
    base: String,
    browser: reqwest::Client,
    simulator: Simulator,
    engine: Engine,
    tokens: TokenSource,
    vault: Arc<dyn Rewrap>,
    creator: CreatorId,
    luna: uuid::Uuid,
    shown: Shown,
    secrets: Net,
}

impl Life {
    async fn begin(database: &Database, client_secret: &str, answers: &[&'static str]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let callback = format!("{base}/oauth/callback");
        let app = world::App::new(CLIENT_ID, CLIENT_SECRET)
            .redirect_uri(&callback)
            .webhook(PortalWebhook::new(format!("{base}/webhooks/fanvue")))
            .webhook_secret(APP_WEBHOOK_SECRET);
        let simulator = Simulator::builder().app(app).start().await.unwrap();
        let luna = simulator.add_creator("luna", "Luna");

        let creator = CreatorId::from_uuid(uuid::Uuid::new_v4());
        let vault = database.vault(Keyring::new(old_key()));
        for (kind, secret) in [
            (SecretKind::WebhookSecret, CREATORS_WEBHOOK_SECRET),
            (
                SecretKind::PreviousWebhookSecret,
                CREATORS_OLD_WEBHOOK_SECRET,
            ),
        ] {
            let id = SecretId::of_creator(creator, kind);
            vault.put(&id, &Secret::new(secret), None).await.unwrap();
        }
        let backend = database.backend();
        let persona = Persona::named("Luna").biography(BIOGRAPHY);
        let new = Creator::new(creator, persona).settings(Settings::immediate());
        backend.store().commit(&new.into(), None).await.unwrap();

        let client = RestClient::builder()
            .api_base_url(simulator.base_url())
            .auth_base_url(simulator.base_url())
            .allow_loopback_http()
            .build()
            .unwrap();
        let client = Arc::new(client);
        let model: Model = Arc::new(Mutex::new(answers.to_vec()));
        let models = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let model_url = format!("http://{}/v1", models.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(model);
        tokio::spawn(async move { axum::serve(models, router).await });
        let model = OpenAi::builder(model_url, "canary")
            .api_key(Secret::new(API_KEY))
            .build()
            .unwrap();

        let tokens = TokenSource::new(
            Arc::new(Arc::clone(&vault)),
            Arc::clone(backend.store()),
            Arc::<RestClient>::clone(&client),
            AppCredentials {
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret::new(client_secret),
            },
        );
        let subscriptions = Subscriptions::new(
            tokens.clone(),
            Arc::<RestClient>::clone(&client),
            Arc::new(Arc::clone(&vault)),
            format!("{base}/webhooks/fanvue"),
        );
        let engine = Engine::builder(backend, Arc::new(model), client, tokens.clone()).build();
        let authorizer = Authorizer::builder(tokens.clone(), callback)
            .authorize_endpoint(format!("{}/oauth2/auth", simulator.base_url()))
            .on_connect(Arc::new(engine.clone()))
            .allow_loopback_http()
            .build()
            .unwrap();
        let verifier = Verifier::new(&Secret::new(APP_WEBHOOK_SECRET)).unwrap();
        let webhooks = Webhooks::builder(verifier, engine.intake().clone())
            .stored_secrets(Arc::new(Arc::clone(&vault)))
            .build();
        let health = Health::new(Arc::clone(engine.backend().store()));
        let bearer = BearerSecret::new(&Secret::new(BEARER)).unwrap();
        let sealed = Arc::new(Arc::clone(&vault));
        let connections = Connections::new(tokens.clone(), authorizer.clone(), sealed)
            .subscriptions(subscriptions);
        let internal = Internal::builder(bearer, engine.clone())
            .connections(connections)
            .build();
        let mut shown = Shown::default();
        shown.debug("the engine's Debug", &engine);
        shown.debug("the token source's Debug", &tokens);
        shown.debug("the vault's Debug", &vault);
        shown.debug("the door's Debug", &webhooks);
        shown.debug("the routes' Debug", &(&internal, &health, &authorizer));
        let router = OAuth::new(authorizer, Arc::new(Cookies))
            .router()
            .merge(webhooks.router())
            .merge(health.router())
            .merge(internal.router());
        tokio::spawn(serve(
            listener,
            router,
            Limits::default(),
            std::future::pending(),
        ));
        let browser = reqwest::Client::builder().redirect(Policy::none());
        Self {
            base,
            browser: browser.build().unwrap(),
            simulator,
            engine,
            tokens,
            vault,
            creator,
            luna,
            shown,
            secrets: Net::default(),
        }
    }

    /// Asks, notes the answer, and tells where it leads. That a redirect carries the state is what it is for.
    async fn ask(&mut self, what: &str, request: reqwest::RequestBuilder) -> (u16, Option<String>) {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let mut headers = answer.headers().clone();
        let location = headers.remove(LOCATION);
        let location = location.map(|location| location.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        self.shown.note(
            &format!("the answer to {what}"),
            format!("{headers:?} {text}"),
        );
        (status, location)
    }

    fn get(&self, url: &str) -> reqwest::RequestBuilder {
        let request = self.browser.get(url);
        if url.starts_with(&self.base) {
            return request.header(COOKIE, format!("session={SESSION}"));
        }
        request
    }

    fn start_url(&self) -> String {
        format!("{}/oauth/start?creator_id={}", self.base, self.creator)
    }

    /// Looks from now on for the access token and the refresh token.
    async fn learn_tokens(&mut self) {
        let id = SecretId::of_creator(self.creator, SecretKind::TokenSet);
        let stored = self.vault.get(&id).await.unwrap().expect("a secret");
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let runs = stored.value.expose().split(|byte| !is_digit(byte));
        // The simulator's tokens begin as Fanvue's do.
        let tokens: Vec<&[u8]> = runs
            .filter(|run| run.starts_with(b"ory_") || run.starts_with(b"ey"))
            .collect();
        assert_eq!(tokens.len(), 2, "of an access token and a refresh token");
        for token in tokens {
            assert!(token.len() >= 24, "a token that nothing else looks like");
            self.secrets.look_for("a token", token);
        }
    }

    /// Looks from now on for the code verifier, which is stored last: 256 random bits.
    async fn learn_verifier(&mut self) {
        let id = SecretId::of_creator(self.creator, SecretKind::PendingAuthorization);
        let stored = self.vault.get(&id).await.unwrap().expect("a secret").value;
        let verifier = stored.expose().last_chunk::<43>().unwrap();
        assert!(
            verifier
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        );
        self.secrets.look_for("the code verifier", verifier);
    }

    /// Looks from now on for the secret part of a parameter: after a dot stands for whom it is.
    fn learn_parameter(&mut self, url: &str, name: &str) {
        let url = reqwest::Url::parse(url).unwrap();
        let value = url.query_pairs().find(|(key, _)| key == name).unwrap().1;
        let secret = value.split('.').next().unwrap();
        self.secrets
            .look_for(&format!("the OAuth {name}"), secret.as_bytes());
    }

    async fn connect(&mut self) {
        self.simulator
            .set_consent(ConsentMode::Automatic, Some(self.luna));
        let start = self.get(&self.start_url());
        let (_, to_fanvue) = self.ask("/oauth/start", start).await;
        let to_fanvue = to_fanvue.expect("a redirect");
        self.learn_parameter(&to_fanvue, "state");
        self.learn_verifier().await;
        let back = self.browser.get(&to_fanvue).send().await.unwrap();
        let back = back.headers()[LOCATION].to_str().unwrap().to_owned();
        self.learn_parameter(&back, "code");
        let (status, _) = self.ask("/oauth/callback", self.get(&back)).await;
        assert_eq!(status, 200);
        self.learn_tokens().await;
        // The code and the state again.
        let (status, _) = self.ask("a second callback", self.get(&back)).await;
        assert_eq!(status, 400);
    }

    fn internal(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/internal/{path}", self.base);
        self.browser
            .request(method.clone(), url)
            .header(AUTHORIZATION, format!("Bearer {BEARER}"))
    }

    /// An operator does what the internal routes have for connections, and mistypes some of it.
    async fn operate(&mut self) {
        let of = format!("creators/{}", self.creator);
        let (app, secrets) = (format!("{of}/app"), format!("{of}/webhook-secrets"));
        let (previous, agency) = (format!("{secrets}/previous"), format!("{of}/agency"));
        let connection = format!("{of}/connection");
        let saved = json!({"client_id": "an-own-app", "client_secret": TYPED_CLIENT_SECRET});
        let nowhere = json!({
            "client_id": "an-own-app",
            "client_secret": TYPED_CLIENT_SECRET,
            "redirect_uri": "no address",
        });
        let mistyped = json!({"client_id": "an-own-app", TYPED_CLIENT_SECRET: "x"});
        let webhook = json!({"secret": TYPED_WEBHOOK_SECRET});
        let misshapen = json!({"secret": [TYPED_WEBHOOK_SECRET]});
        let nobodys = uuid::Uuid::new_v4();
        let managed = format!("agencies/{nobodys}/creators");
        let bound = json!({"agency_id": nobodys, "account_id": self.luna});
        let none = Value::Null;
        for (method, path, body, status) in [
            (Method::PUT, &*app, &saved, 200),
            (Method::PUT, &app, &nowhere, 400),
            (Method::PUT, &app, &mistyped, 400),
            (Method::GET, &app, &none, 200),
            (Method::GET, &connection, &none, 200),
            (Method::DELETE, &app, &none, 200),
            (Method::PUT, &secrets, &webhook, 200),
            (Method::PUT, &secrets, &misshapen, 400),
            (Method::GET, &secrets, &none, 200),
            (Method::DELETE, &previous, &none, 200),
            (Method::PUT, "deployment/webhook-secrets", &webhook, 200),
            (Method::GET, "deployment/webhook-secrets", &none, 200),
            (Method::PUT, &agency, &bound, 409),
            (Method::GET, &managed, &none, 409),
        ] {
            let mut request = self.internal(&method, path);
            if !body.is_null() {
                request = request.body(body.to_string());
            }
            let what = format!("{method} {path}");
            let (answered, _) = self.ask(&what, request).await;
            assert_eq!(answered, status, "{what}");
        }
        // The one answer that shows a secret, once.
        let subscriptions = format!("{of}/webhook-subscriptions");
        let made = self.internal(&Method::POST, &subscriptions).send().await;
        let made = made.unwrap();
        assert_eq!(made.status(), 201);
        let made: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
        let secret = made["secret"].as_str().unwrap();
        self.secrets
            .look_for("a subscription's secret", secret.as_bytes());
        for method in [Method::GET, Method::DELETE] {
            let request = self.internal(&method, &subscriptions);
            let (answered, _) = self.ask(&subscriptions, request).await;
            assert_eq!(answered, 200, "{method}");
        }
    }

    async fn post_webhook(&mut self, what: &str, signature: &str, body: String) -> u16 {
        let request = self
            .browser
            .post(format!("{}/webhooks/fanvue", self.base))
            .header("x-fanvue-signature", signature)
            .body(body);
        self.ask(what, request).await.0
    }

    /// The fan writes, and is answered whatever fails on the way.
    async fn converse(&mut self) {
        let fan = self.simulator.add_fan(FANS_HANDLE, FANS_NAME);
        let before = self.replies();
        self.simulator
            .fan_writes(self.luna, fan, FANS_WORDS)
            .unwrap();
        for _ in 0..200 {
            self.engine.try_again(self.creator).await.unwrap();
            let run = self
                .browser
                .post(format!("{}/internal/jobs/run", self.base))
                .header(AUTHORIZATION, format!("Bearer {BEARER}"));
            let (status, _) = self.ask("/internal/jobs/run", run).await;
            assert_eq!(status, 200);
            let limit = Duration::from_millis(100);
            self.simulator.wait_until(limit, |_| false).await;
            if self.replies() > before {
                return;
            }
        }
        panic!("the fan was not answered");
    }

    fn replies(&self) -> usize {
        let messages = self.simulator.messages();
        let replies = messages
            .iter()
            .filter(|message| message.message.text.as_deref() == Some(REPLY));
        replies.count()
    }

    fn fails(&self, fault: RequestFault, method: &str, path: &str) {
        let rule = RequestRule::new(fault, Trigger::Next(1)).on(method, path);
        self.simulator.add_request_fault(rule);
    }
}

/// Does nothing unless started by the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_lives_through_everything() {
    let Ok(kind) = std::env::var(STORE) else {
        return;
    };
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    log::set_boxed_logger(Box::new(log.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    // What the search must find, or it would find nothing else either.
    tracing::trace!(leak = PLANTED, "planted");
    log::trace!("{PLANTED:?}");

    let Some(database) = Database::open(&kind).await else {
        return;
    };

    // A deployment with the wrong client secret, at which an operator is refused.
    let mut wrong = Life::begin(&database, WRONG_CLIENT_SECRET, &["reply"]).await;
    wrong
        .simulator
        .set_consent(ConsentMode::Automatic, Some(wrong.luna));
    let mut url = wrong.start_url();
    while let (_, Some(next)) = wrong.ask("a page of a wrong client", wrong.get(&url)).await {
        url = next;
    }
    wrong.simulator.set_consent(ConsentMode::Deny, None);
    let mut url = wrong.start_url();
    while let (_, Some(next)) = wrong.ask("a page of who says no", wrong.get(&url)).await {
        url = next;
    }
    let mut shown = std::mem::take(&mut wrong.shown);
    wrong.simulator.stop().await;

    let answers = ["401", "500", "error on 200", "garbage", "reply"];
    let mut life = Life::begin(&database, CLIENT_SECRET, &answers).await;
    life.connect().await;

    // Another creator has an app of their own.
    let own = AppCredentials {
        client_id: "an-own-app".into(),
        client_secret: ClientSecret::new(OWN_CLIENT_SECRET),
    };
    let another = CreatorId::from_uuid(uuid::Uuid::new_v4());
    let apps = life.tokens.apps();
    shown.debug(
        "a saved app",
        &apps.save(another, &App::new(own.clone())).await,
    );
    shown.debug("an app's summary", &apps.summary(another).await);
    let mistaken = App::new(own).redirect_uri("no address");
    shown.failure("an app that cannot be", apps.save(another, &mistaken).await);

    // Requests at the door and at the internal routes that are refused.
    let body = serde_json::json!({"recipientUuid": life.luna, "message": {"text": FANS_WORDS}});
    let now = life.engine.now();
    for secret in [
        APP_WEBHOOK_SECRET,
        CREATORS_WEBHOOK_SECRET,
        CREATORS_OLD_WEBHOOK_SECRET,
    ] {
        let signature = Signer::new(&Secret::new(secret)).unwrap();
        let signature = signature.header(now, body.to_string().as_bytes());
        life.post_webhook(
            "a webhook that cannot be read",
            &signature,
            body.to_string(),
        )
        .await;
        let forged = signature.replace("v0=", "v0=0");
        let status = life
            .post_webhook("a forged webhook", &forged, body.to_string())
            .await;
        assert_eq!(status, 401);
    }
    let run = life
        .browser
        .post(format!(
            "{}/internal/jobs/run?token={WRONG_BEARER}",
            life.base
        ))
        .header(AUTHORIZATION, format!("Bearer {WRONG_BEARER}"));
    assert_eq!(life.ask("a wrong bearer", run).await.0, 401);

    // Whatever the model and Fanvue fail with, the fan is answered; a token that is refused is renewed.
    life.fails(RequestFault::Unauthorized, "POST", "*/message");
    life.fails(RequestFault::ErrorAfter(502), "POST", "*/message");
    life.fails(RequestFault::RateLimited(1), "GET", "*");
    life.fails(RequestFault::ErrorBefore(500), "POST", "/oauth2/token");
    life.converse().await;
    life.learn_tokens().await;
    for page in ["/healthz", "/readyz", "/health"] {
        let url = format!("{}{page}", life.base);
        let request = life.get(&url);
        life.ask(page, request).await;
    }

    for query in ["", "?format=text", &format!("?creator={}", life.creator)] {
        let url = format!("{}/internal/health{query}", life.base);
        let bearer = format!("Bearer {BEARER}");
        let request = life.get(&url).header(AUTHORIZATION, bearer);
        assert_eq!(life.ask("/internal/health", request).await.0, 200);
    }

    life.operate().await;

    // The master key changes; whoever has the wrong one is told.
    let both = Keyring::builder(new_key())
        .other(old_key())
        .build()
        .unwrap();
    let mut rotation = Rotation::new(database.vault(both));
    loop {
        let step = rotation.step().await.unwrap();
        shown.debug("a step of the rotation", &step);
        if let RotationStep::Ended(report) = step {
            assert_eq!(report.left, 0);
            break;
        }
    }
    let id = SecretId::of_creator(life.creator, SecretKind::TokenSet);
    shown.failure("a vault with the old key", life.vault.get(&id).await);
    let store = life.engine.backend().store();
    let creator = store.creator(life.creator).await.unwrap().unwrap().value;
    shown.failure("a token with the old key", life.tokens.auth(&creator).await);
    let text = String::from_utf8(NEW_KEY.to_vec()).unwrap();
    shown.failure("a master key that is no key", MasterKey::from_text(&text));
    shown.debug("the keys' Debug", &(old_key(), new_key()));

    // A life with the new key: the grant ends, and the account is disconnected.
    let new = database.vault(Keyring::new(new_key()));
    life.vault = Arc::clone(&new);
    life.learn_tokens().await;
    let address = format!("postgres://someone:{DATABASE_PASSWORD}@127.0.0.1:1/nowhere");
    let builder = PostgresBackend::builder(&*address);
    shown.debug("the database's options", &builder);
    shown.failure("a database that is not there", builder.open().await);
    life.simulator.disconnect(CLIENT_ID, life.luna);
    life.simulator.stop().await;
    // While it is open a SQLite database has its write-ahead log beside it.
    let mut at_rest = database.bytes().await;
    database.close().await;
    at_rest.extend(database.bytes().await);
    shown.failure("a vault whose database is closed", new.get(&id).await);

    let mut secrets = std::mem::take(&mut life.secrets);
    for (name, secret) in [
        ("the client secret", CLIENT_SECRET.as_bytes()),
        (
            "a creator's own client secret",
            OWN_CLIENT_SECRET.as_bytes(),
        ),
        (
            "a client secret that was typed",
            TYPED_CLIENT_SECRET.as_bytes(),
        ),
        (
            "a webhook secret that was typed",
            TYPED_WEBHOOK_SECRET.as_bytes(),
        ),
        ("the wrong client secret", WRONG_CLIENT_SECRET.as_bytes()),
        ("the app's webhook secret", APP_WEBHOOK_SECRET.as_bytes()),
        (
            "the creator's webhook secret",
            CREATORS_WEBHOOK_SECRET.as_bytes(),
        ),
        (
            "the creator's old webhook secret",
            CREATORS_OLD_WEBHOOK_SECRET.as_bytes(),
        ),
        ("the model's key", API_KEY.as_bytes()),
        ("the bearer secret", BEARER.as_bytes()),
        ("the wrong bearer secret", WRONG_BEARER.as_bytes()),
        ("the session", SESSION.as_bytes()),
        ("the database's password", DATABASE_PASSWORD.as_bytes()),
        ("the old master key", OLD_KEY),
        ("the new master key", NEW_KEY),
    ] {
        secrets.look_for(name, secret);
    }
    let mut words = Net::default();
    for word in [FANS_WORDS, FANS_NAME, FANS_HANDLE, REPLY, BIOGRAPHY] {
        words.look_for(word, word.as_bytes());
    }

    let mut found = Vec::new();
    let log = log.0.lock().unwrap().clone();
    assert!(log.len() > 10_000, "the log at trace level is long");
    let mut planted = Net::default();
    planted.look_for("what was planted", PLANTED.as_bytes());
    assert!(planted.search("the log", &log).len() >= 2);
    found.extend(secrets.search("the log", &log));
    found.extend(words.search("the log", &log));
    for (place, text) in shown.0.iter().chain(&life.shown.0) {
        found.extend(secrets.search(place, text.as_bytes()));
        found.extend(words.search(place, text.as_bytes()));
    }
    let mut bytes = 0;
    let mut kept_words = 0;
    for (place, file) in at_rest {
        found.extend(secrets.search(&place, &file));
        kept_words += words.search(&place, &file).len();
        bytes += file.len();
    }
    // The search does find what is there: conversations are not encrypted.
    assert!(kept_words > 0, "of {bytes} bytes");
    assert!(found.is_empty(), "{} found: {found:#?}", found.len());
}

fn live(kind: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "canary::child_that_lives_through_everything"])
        .arg("--nocapture")
        .env(STORE, kind)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    if said.contains("SKIPPED") {
        eprintln!("{said}");
    }
}

#[test]
fn no_secret_and_no_fans_word_shows_anywhere_on_sqlite() {
    live("sqlite");
}

#[test]
fn no_secret_and_no_fans_word_shows_anywhere_on_postgres() {
    live("postgres");
}
