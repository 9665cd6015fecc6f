//! The bot: the library's parts, put together on SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanvue_bot::axum::{Drained, Health, Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{
    AppCredentials, Auth, AuthorizationGrant, ClientSecret, CodeVerifier, FanvueClient, Reach,
};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::entropy::{Entropy as _, OsEntropy};
use fanvue_bot::flow::Timing;
use fanvue_bot::id::CreatorId;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rate::{Budget, Class};
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Backoff;
use fanvue_bot::secret::{Keyring, MasterKey, Secret};
use fanvue_bot::settings::{Mode, Pace, Settings};
use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::{Worker, WorkerOptions, WorkerReport};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::Model;
use crate::platform::Platform;
use crate::{Options, PaceOption, REDIRECT_URI, page};

/// The one tenant of the demo. A deployment draws an id for each.
const CREATOR: CreatorId =
    CreatorId::from_uuid(uuid::uuid!("01990000-0000-7000-8000-00000000c0de"));
const SCOPES: &str =
    "openid offline_access offline read:self read:chat write:chat read:fan read:creator";

/// A running bot.
#[derive(Debug)]
pub(crate) struct Bot {
    engine: Engine,
    webhooks: Webhooks,
    model: Arc<Model>,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<Drained>,
    worker: JoinHandle<WorkerReport>,
    database: SqliteBackend,
}

impl Bot {
    pub(crate) async fn start(
        options: &Options,
        data: &Path,
        platform: Platform,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)
            .with_context(|| format!("the folder {} cannot be made", data.display()))?;
        let database = SqliteBackend::open(data.join("bot.db"))
            .await
            .context("the database does not open")?;
        let backend =
            Backend::shared(Arc::new(database.clone())).broadcasts(Arc::new(database.clone()));
        let vault = Arc::new(SqliteVault::new(database.clone(), keyring(data)?));

        let fanvue = Arc::new(
            RestClient::builder()
                .api_base_url(platform.base_url())
                .auth_base_url(platform.base_url())
                .allow_loopback_http()
                .connect_timeout(Duration::from_secs(2))
                .request_timeout(timing(options.pace).1)
                .budget(Budget::shared(Arc::clone(backend.store()), &OsEntropy)?)
                .build()?,
        );
        let app = AppCredentials {
            client_id: options.client_id.as_str().into(),
            client_secret: ClientSecret::new(options.client_secret.as_str()),
        };
        let tokens = TokenSource::new(
            vault,
            Arc::clone(backend.store()),
            Arc::<RestClient>::clone(&fanvue),
            app.clone(),
        );
        connect(options, &platform, &backend, &tokens, &*fanvue, app).await?;

        let model = Arc::new(Model::from_env()?);
        let engine = Engine::builder(backend, Arc::<Model>::clone(&model), fanvue, tokens)
            .timing(timing(options.pace).0)
            .backoff(Backoff::new(
                backoff_base(options.pace),
                Duration::from_secs(60),
                30,
            ))
            .build();

        let verifier = Verifier::new(&Secret::new(options.webhook_secret.as_str()))?;
        let webhooks = Webhooks::builder(verifier, engine.intake().clone()).build();
        let health = Health::new(Arc::clone(engine.backend().store()));
        let listener = TcpListener::bind(&options.listen).await.with_context(|| {
            format!(
                "the page cannot be served at {}; choose another address with --listen",
                options.listen
            )
        })?;
        let address = listener.local_addr()?;
        let page = page::router(
            platform,
            engine.clone(),
            CREATOR,
            options.creator.clone(),
            Arc::clone(&model),
        );
        let router = webhooks.router().merge(health.router()).merge(page);

        let (stop, stopping) = watch::channel(false);
        let mut limits = Limits::default();
        limits.drain = Duration::from_secs(2);
        // The simulator, the page and the load of a test all come from one address.
        limits.max_connections_per_address = limits.max_connections;
        let server = tokio::spawn(serve(listener, router, limits, stopped(stopping.clone())));
        let worker = Worker::new(
            engine.clone(),
            WorkerOptions::new(WorkerId::new(format!("demo-{}", std::process::id())))
                .lease(lease(options.pace))
                .poll(Duration::from_millis(250))
                .drain(Duration::from_secs(2)),
        );
        let worker = tokio::spawn(worker.run(stopped(stopping)));
        Ok(Self {
            engine,
            webhooks,
            model,
            address,
            stop,
            server,
            worker,
            database,
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn model_name(&self) -> &str {
        self.model.name()
    }

    pub(crate) fn creator(&self) -> CreatorId {
        CREATOR
    }

    pub(crate) fn page_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/fanvue", self.address)
    }

    /// Takes nothing new, finishes what is being done, and closes the database.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // A task that panicked has ended, too.
        let _ended = tokio::join!(self.server, self.worker);
        self.database.close().await;
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever could say more.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The key that secrets are sealed with: drawn once, and kept beside the database for the demo's sake. A
/// deployment keeps it elsewhere.
fn keyring(data: &Path) -> anyhow::Result<Keyring> {
    let path = data.join("master.key");
    let key = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            OsEntropy.fill(&mut bytes)?;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            write_private(&path, &text)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            text
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    let key = MasterKey::from_text(&key)
        .with_context(|| format!("the key in {} does not read", path.display()))?;
    Ok(Keyring::new(key))
}

/// Writes a new file that nobody but its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;

    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the creator known and connects their account, unless an earlier run has done both.
async fn connect(
    options: &Options,
    platform: &Platform,
    backend: &Backend,
    tokens: &TokenSource,
    fanvue: &dyn FanvueClient,
    app: AppCredentials,
) -> anyhow::Result<()> {
    if backend.store().creator(CREATOR).await?.is_some() {
        return Ok(());
    }
    platform.sign_in(&options.creator).await?;
    let set = fanvue
        .exchange_code(&authorize(platform, app).await?)
        .await
        .context("the authorization code was refused")?;
    let auth = Auth {
        token: set.access_token.clone(),
        reach: Reach::Own,
        grant: CREATOR.into(),
        class: Class::default(),
    };
    let user = fanvue
        .current_user(&auth)
        .await
        .context("the account could not be read")?;
    tokens.connect(CREATOR, &set).await?;
    let persona = Persona::named(user.display_name.as_deref().unwrap_or("Luna"))
        .biography("Paints, travels, and lives in Lisbon with a cat called Nico.")
        .voice("Warm and playful, short sentences, lower case, at most one emoji.")
        .example("good morning!", "morning you ☀️ slept well?")
        .example(
            "what do you do today?",
            "painting until my hands are blue. you?",
        );
    let creator = Creator::new(CREATOR, persona)
        .account(user.id)
        .settings(settings(options.pace));
    backend.store().commit(&creator.into(), None).await?;
    Ok(())
}

/// What a browser does: asks for access, is agreed to, and comes back with a code.
async fn authorize(platform: &Platform, app: AppCredentials) -> anyhow::Result<AuthorizationGrant> {
    let mut random = [0; 48];
    OsEntropy.fill(&mut random)?;
    let verifier = URL_SAFE_NO_PAD.encode(&random[..32]);
    let state = URL_SAFE_NO_PAD.encode(&random[32..]);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut url = reqwest::Url::parse(&format!("{}/oauth2/auth", platform.base_url()))?;
    url.query_pairs_mut()
        .append_pair("client_id", &app.client_id)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("response_type", "code")
        .append_pair("scope", SCOPES)
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    let answer = platform.http().get(url).send().await?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).with_context(|| {
        format!(
            "the simulator did not agree ({}); start it with --redirect-uri {REDIRECT_URI} and without --consent-page",
            answer.status()
        )
    })?;
    let back = reqwest::Url::parse(location)?;
    let find = |name: &str| {
        back.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if let Some(error) = find("error") {
        anyhow::bail!(
            "the simulator refused: {error} {}",
            find("error_description").unwrap_or_default()
        );
    }
    anyhow::ensure!(
        find("state").as_deref() == Some(&state),
        "the answer belongs to another request"
    );
    let code = find("code").context("the answer has no code")?;
    Ok(AuthorizationGrant {
        app,
        code: Secret::new(code),
        redirect_uri: REDIRECT_URI.to_owned(),
        code_verifier: CodeVerifier::new(verifier),
    })
}

fn settings(pace: PaceOption) -> Settings {
    let settings = Settings::default().mode(Mode::Auto);
    match pace {
        PaceOption::Human => settings,
        PaceOption::Short => settings
            .settle(Duration::from_secs(2), Duration::from_secs(8))
            .pace(Pace::natural(
                Duration::from_secs(1),
                Duration::from_secs(2),
                Duration::from_secs(5),
            )),
        PaceOption::Instant => settings
            .settle(Duration::from_millis(800), Duration::from_secs(4))
            .pace(Pace::Immediate),
    }
}

/// How sends are timed, and how long a request may take.
fn timing(pace: PaceOption) -> (Timing, Duration) {
    match pace {
        PaceOption::Instant => (
            Timing::default()
                .send(Duration::from_secs(1), Duration::from_secs(4))
                .search(Duration::from_millis(300), Duration::from_secs(2), 2),
            Duration::from_secs(3),
        ),
        PaceOption::Human | PaceOption::Short => (Timing::default(), Duration::from_secs(15)),
    }
}

fn backoff_base(pace: PaceOption) -> Duration {
    match pace {
        PaceOption::Instant => Duration::from_millis(500),
        PaceOption::Human | PaceOption::Short => Duration::from_secs(2),
    }
}

fn lease(pace: PaceOption) -> Duration {
    match pace {
        PaceOption::Instant => Duration::from_secs(3),
        PaceOption::Human | PaceOption::Short => Duration::from_secs(30),
    }
}
