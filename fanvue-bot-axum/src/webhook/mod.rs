//! The door that Fanvue's webhooks come in by.

pub(crate) mod body;
mod counters;
mod courier;
mod door;
mod secrets;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use fanvue_bot_core::intake::Intake;
use fanvue_bot_core::secret::SecretVault;
use fanvue_bot_core::self_test::Courier;
use fanvue_bot_core::webhook::Verifier;

use self::counters::Counters;
pub use self::counters::WebhookCounters;
use self::courier::InProcess;
use self::door::Door;
use self::secrets::StoredSecrets;

/// What a [`Webhooks`] is built from; made by [`Webhooks::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct WebhooksBuilder {
    verifier: Verifier,
    intake: Intake,
    vault: Option<Arc<dyn SecretVault>>,
    secret_cache: Duration,
    body_limit: usize,
    read_timeout: Duration,
    store_timeout: Duration,
    refusal_grid: Duration,
}

impl WebhooksBuilder {
    /// Also accepts what is signed with a secret that
    /// [`WebhookSecrets`](fanvue_bot_core::webhook::WebhookSecrets) keeps in this vault: the deployment's for
    /// all creators, an agency's for those whom it reaches, a creator's for that creator only. Off by
    /// default: the verifier's secrets serve all. The tolerance and the accepted forms are the verifier's.
    ///
    /// A request that the verifier does not prove then costs a look-up by the account that it claims. Secrets that
    /// have proved an event are remembered for [`secret_cache`](Self::secret_cache).
    pub fn stored_secrets(mut self, vault: Arc<dyn SecretVault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// How long secrets of the vault are remembered that have proved an event: the longest that one which was
    /// taken away is still accepted. 30 s by default; zero remembers nothing. A creator's or an agency's new secret is
    /// accepted at once, and a new one of the deployment within this time.
    pub const fn secret_cache(mut self, duration: Duration) -> Self {
        self.secret_cache = duration;
        self
    }

    /// The largest body that is read, in bytes; 256 KiB by default.
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How long a body may take to arrive; 10 s by default, after which Fanvue has given up anyway.
    pub const fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long looking up and storing may take before the sender is asked to come back; 8 s by default,
    /// since Fanvue waits for 10.
    pub const fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// With [`stored_secrets`](Self::stored_secrets) a refusal leaves at a multiple of this time after its request
    /// was read; 50 ms by default. So a clock does not tell who exists here: store and vault are asked the same
    /// before each refusal, and answer sooner about nobody.
    ///
    /// Make it longer than a look-up takes, which is five round trips to store and vault. What waits holds a
    /// connection and nothing of the request; 1,024 connections let 20,480 refusals a second leave at 50 ms. Zero
    /// refuses at once.
    pub const fn refusal_grid(mut self, grid: Duration) -> Self {
        self.refusal_grid = grid;
        self
    }

    /// Builds it.
    #[must_use]
    pub fn build(self) -> Webhooks {
        let secrets = self.vault.map(|vault| {
            let store = Arc::clone(self.intake.backend().store());
            StoredSecrets::new(self.verifier.clone(), store, vault, self.secret_cache)
        });
        Webhooks {
            door: Arc::new(Door {
                verifier: self.verifier,
                intake: self.intake,
                secrets,
                counters: Counters::default(),
                body_limit: self.body_limit,
                read_timeout: self.read_timeout,
                store_timeout: self.store_timeout,
                refusal_grid: self.refusal_grid,
            }),
        }
    }
}

/// Takes Fanvue's webhooks in.
///
/// | Route | Answers |
/// | --- | --- |
/// | `POST /webhooks/fanvue` | takes an event in, for the creator whose account the body names |
/// | `POST /webhooks/fanvue?creatorId={id}`, `POST /webhooks/fanvue/{id}` | the same, if the body is for that creator |
/// | `GET` on these | 200, for URL checks |
///
/// The answer to an event is a bare status:
///
/// | Status | When | Fanvue |
/// | --- | --- | --- |
/// | 200 | stored, durably; or known already, of no use here, of an account that is none of ours, or unreadable though proved: then counted and dropped | is done |
/// | 401 | not proved, or for another creator than the URL says | tries again, in vain |
/// | 408, 413, 400 | the body took too long, is too large, or broke off | tries again |
/// | 503 with `Retry-After` | the store or the vault did not answer; nothing is lost | tries again |
///
/// A request that is not proved writes nothing but a counter, and its answer is the same, and as long in coming,
/// whether its tenant exists or not. Nothing of a request is ever repeated in an answer.
#[derive(Clone)]
pub struct Webhooks {
    door: Arc<Door>,
}

impl Webhooks {
    /// Begins a door that lets in what `verifier` proves, the app's secrets, and hands it to `intake`.
    pub const fn builder(verifier: Verifier, intake: Intake) -> WebhooksBuilder {
        WebhooksBuilder {
            verifier,
            intake,
            vault: None,
            secret_cache: Duration::from_secs(30),
            body_limit: 256 * 1024,
            read_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(8),
            refusal_grid: Duration::from_millis(50),
        }
    }

    /// The routes, to be served or merged into other ones.
    pub fn router(&self) -> Router {
        let at_root = || get(url_check).post(by_body);
        Router::new()
            .route("/webhooks/fanvue", at_root())
            .route("/webhooks/fanvue/", at_root())
            .route(
                "/webhooks/fanvue/{creator_id}",
                get(url_check).post(by_path),
            )
            .with_state(Arc::clone(&self.door))
    }

    /// Brings test events to this door without a network between, for a
    /// [`SelfTest`](fanvue_bot_core::self_test::SelfTest). What is on the way from outside is not tried then; see
    /// `WebhookCourier` of `fanvue-bot-rest` for that.
    #[must_use]
    pub fn courier(&self) -> Arc<dyn Courier> {
        Arc::new(InProcess(self.router()))
    }

    /// What has come in since this was built, in this process.
    #[must_use]
    pub fn counters(&self) -> WebhookCounters {
        self.door.counters.snapshot()
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("verifier", &self.door.verifier)
            .field("stored_secrets", &self.door.secrets.is_some())
            .field("body_limit", &self.door.body_limit)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

async fn url_check() -> StatusCode {
    StatusCode::OK
}

async fn by_body(
    State(door): State<Arc<Door>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    door.handle(None, query.as_deref(), request).await
}

async fn by_path(
    State(door): State<Arc<Door>>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    // A segment that is no text is no creator's.
    let creator = path.map(|Path(segment)| segment).unwrap_or_default();
    door.handle(Some(&creator), query.as_deref(), request).await
}
