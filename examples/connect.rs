//! A deployment that connects creators and agencies, and nothing else: the guides "Connect a creator" and "Run as an
//! agency" are typed against it.
//!
//! ```sh
//! cargo run --example simulator -- --webhook-url http://127.0.0.1:8080/webhooks/fanvue
//! cargo run --example connect
//! ```
//!
//! It keeps everything in memory, and its model writes nothing of its own.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use fanvue_bot::axum::{
    AdminCheck, BearerSecret, Connections, Internal, Limits, OAuth, Webhooks, serve,
};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::CreatorId;
use fanvue_bot::memory::{MemoryBackend, MemoryVault};
use fanvue_bot::oauth::{Authorizer, GrantId, SessionId, TokenSource};
use fanvue_bot::persona::Persona;
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::Secret;
use fanvue_bot::webhook::{Subscriptions, Verifier};
use fanvue_bot_testkit::llm::ScriptedLlm;

/// The creator who is there from the beginning.
const LUNA: &str = "10000000-0000-4000-8000-000000000001";

#[derive(Parser)]
#[command(about = "Connects creators and agencies at a simulated Fanvue")]
struct Settings {
    /// Where Fanvue is: the API and the authorization server.
    #[arg(long, env = "FANVUE_URL", default_value = "http://127.0.0.1:4010")]
    fanvue: String,

    /// Where to listen.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,

    /// Client id of the app.
    #[arg(long, env = "CLIENT_ID", default_value = "simulated-app")]
    client_id: String,

    /// Client secret of the app. The default is the simulator's.
    #[arg(
        long,
        env = "CLIENT_SECRET",
        default_value = "simulated-secret",
        hide_env_values = true
    )]
    client_secret: String,

    /// Secret that the app's webhooks are signed with. The default is the simulator's.
    #[arg(
        long,
        env = "WEBHOOK_SECRET",
        default_value = "whsec_simulated",
        hide_env_values = true
    )]
    webhook_secret: String,

    /// Bearer secret of the internal routes: `openssl rand -hex 32`.
    #[arg(long, env = "INTERNAL_SECRET", hide_env_values = true)]
    internal_secret: String,

    /// Password of the one operator, `admin`.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: String,
}

/// One operator with a password, whom the browser asks for it. A deployment has sessions of its own.
struct Operator {
    expected: Secret,
}

impl Operator {
    fn new(password: &str) -> Self {
        let pair = STANDARD.encode(format!("admin:{password}"));
        Self {
            expected: Secret::new(format!("Basic {pair}")),
        }
    }
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

#[async_trait]
impl AdminCheck for Operator {
    async fn check(&self, request: &Parts, _grant: GrantId) -> Result<SessionId, Response> {
        let shown = request.headers.get(header::AUTHORIZATION);
        let shown = shown.and_then(|shown| shown.to_str().ok());
        match shown {
            // Secrets compare in the same time wherever they differ.
            Some(shown) if Secret::new(shown) == self.expected => Ok(SessionId::of(shown)),
            _ => {
                let challenge = HeaderValue::from_static("Basic realm=\"operator\"");
                let headers = [(header::WWW_AUTHENTICATE, challenge)];
                Err((StatusCode::UNAUTHORIZED, headers).into_response())
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse();
    let base = format!("http://{}", settings.listen);
    let door = format!("{base}/webhooks/fanvue");
    let client = Arc::new(
        RestClient::builder()
            .api_base_url(&settings.fanvue)
            .auth_base_url(&settings.fanvue)
            .allow_loopback_http()
            .build()?,
    );
    let backend = Backend::shared(Arc::new(MemoryBackend::new()));
    let vault = Arc::new(MemoryVault::new());
    let id: CreatorId = LUNA.parse()?;
    let luna = Creator::new(id, Persona::named("Luna"));
    backend.store().commit(&luna.into(), None).await?;

    let app = AppCredentials {
        client_id: settings.client_id.into(),
        client_secret: ClientSecret::new(settings.client_secret),
    };
    let store = Arc::clone(backend.store());
    let tokens = TokenSource::new(vault.clone(), store, client.clone(), app);
    let model = Arc::new(ScriptedLlm::new([]));
    let engine = Engine::builder(backend, model, client.clone(), tokens.clone()).build();
    let authorizer = Authorizer::builder(tokens.clone(), format!("{base}/oauth/callback"))
        .authorize_endpoint(format!("{}/oauth2/auth", settings.fanvue))
        .allow_loopback_http()
        .on_connect(Arc::new(engine.clone()))
        .build()?;

    let subscriptions = Subscriptions::new(tokens.clone(), client, vault.clone(), door);
    let connections =
        Connections::new(tokens, authorizer.clone(), vault.clone()).subscriptions(subscriptions);
    let bearer = BearerSecret::new(&Secret::new(settings.internal_secret))?;
    let internal = Internal::builder(bearer, engine.clone())
        .authorizer(authorizer.clone())
        .connections(connections)
        .build();
    let verifier = Verifier::new(&Secret::new(settings.webhook_secret))?;
    let webhooks = Webhooks::builder(verifier, engine.intake().clone())
        .stored_secrets(vault)
        .build();
    let operator = Operator::new(&settings.admin_password);
    let router = OAuth::new(authorizer, Arc::new(operator))
        .router()
        .merge(internal.router())
        .merge(webhooks.router());

    let listener = tokio::net::TcpListener::bind(&settings.listen).await?;
    // A closed pipe is no reason to stop serving.
    let _ = writeln!(
        std::io::stdout(),
        "connect Luna, as admin:  {base}/oauth/start?creator_id={id}\n\
         connect an agency:       {base}/oauth/start?agency_id=  and an id of your choice, a UUID"
    );
    serve(listener, router, Limits::default(), async {
        // Without signals it serves until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await;
    Ok(())
}
