//! What an operator sets up for creators and agencies, without writing Rust: apps, webhook secrets, agencies,
//! webhook subscriptions, and the end of a connection.

mod agency;
pub(super) mod answer;
mod app;
mod connection;
mod secrets;
mod subscriptions;
mod whose;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, put};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::oauth::{Authorizer, TokenSource};
use fanvue_bot_core::secret::SecretVault;
use fanvue_bot_core::store::Store;
use fanvue_bot_core::webhook::{Subscriptions, WebhookSecrets};

/// What the routes about connections work on; given to [`InternalBuilder::connections`](super::InternalBuilder::connections).
///
/// | Route below `/internal` | Does |
/// | --- | --- |
/// | `GET /creators/{id}/connection` | tells how the connection is doing |
/// | `DELETE /creators/{id}/connection` | revokes the grant at Fanvue and erases its tokens; with `?at_fanvue=keep` erases them without asking Fanvue |
/// | `GET /creators/{id}/app` | tells which OAuth app the creator's grant is of |
/// | `PUT /creators/{id}/app` | keeps an app of the creator's own: `client_id`, `client_secret` and, if it has one of its own, `redirect_uri` |
/// | `DELETE /creators/{id}/app` | goes back to the deployment's app |
/// | `GET /creators/{id}/webhook-secrets` | tells the fingerprints of the live secrets |
/// | `PUT /creators/{id}/webhook-secrets` | makes `secret` the current one; the one before stays accepted |
/// | `DELETE /creators/{id}/webhook-secrets/previous` | accepts the one before no more |
/// | `DELETE /creators/{id}/webhook-secrets` | erases both |
/// | `GET /creators/{id}/webhook-subscriptions` | lists the subscriptions that lead to this deployment |
/// | `POST /creators/{id}/webhook-subscriptions` | subscribes through Fanvue's API, or rotates what is subscribed |
/// | `DELETE /creators/{id}/webhook-subscriptions` | ends them and erases their secrets |
/// | `PUT /creators/{id}/agency` | reaches the creator through the grant of `agency_id`, as the account `account_id` |
/// | `DELETE /creators/{id}/agency` | does so no more |
/// | `GET /agencies/{id}/creators` | lists whom the agency manages at Fanvue, and who of them is a creator here |
///
/// The routes about a connection, an app, secrets and subscriptions are there below `/agencies/{id}`, too, and those
/// about secrets below `/deployment`, for what is signed with the deployment's app.
///
/// What is asked for is a JSON object of at most 8 KiB; each field is a text, and unknown ones are refused. Client
/// secrets never come back out: a fingerprint tells them apart. Nor do webhook secrets, but for the one that Fanvue
/// makes for a subscription, which the answer to its `POST` shows once.
///
/// | Status | When |
/// | --- | --- |
/// | 200, 201 | it was done; the body says what is so now |
/// | 400 | a field is missing, unknown, or cannot be right; `error` names it and says what to write |
/// | 404 | there is no such creator or route, or no webhook address is set up for subscriptions |
/// | 409 | it cannot be done as things are; `error` says why, and `remedy` what to do |
/// | 502 | Fanvue could not be asked, or had trouble; nothing has changed |
/// | 503 with `Retry-After` | the store or the vault did not answer |
///
/// All but `POST` are idempotent. Each `POST` makes one more subscription and ends those before.
#[derive(Clone)]
pub struct Connections {
    tokens: TokenSource,
    authorizer: Authorizer,
    secrets: WebhookSecrets,
    subscriptions: Option<Subscriptions>,
}

/// What a call to one of these routes has at hand.
struct Room {
    store: Arc<dyn Store>,
    connections: Connections,
}

impl Connections {
    /// The connections of `authorizer`, whose tokens are those of `tokens`, with webhook secrets in `vault`.
    #[must_use]
    pub fn new(tokens: TokenSource, authorizer: Authorizer, vault: Arc<dyn SecretVault>) -> Self {
        Self {
            tokens,
            authorizer,
            secrets: WebhookSecrets::new(vault),
            subscriptions: None,
        }
    }

    /// Lets callers subscribe webhooks through Fanvue's API. Without it those routes answer 404.
    #[must_use]
    pub fn subscriptions(mut self, subscriptions: Subscriptions) -> Self {
        self.subscriptions = Some(subscriptions);
        self
    }

    /// The routes, which admit everybody.
    pub(super) fn router<S>(&self, engine: &Engine) -> Router<S> {
        let room = Room {
            store: Arc::clone(engine.backend().store()),
            connections: self.clone(),
        };
        let secrets = || {
            get(secrets::show)
                .put(secrets::save)
                .delete(secrets::remove)
        };
        let of = "/internal/{whose}/{id}";
        Router::new()
            .route(
                &format!("{of}/connection"),
                get(connection::show).delete(connection::end),
            )
            .route(
                &format!("{of}/app"),
                get(app::show).put(app::save).delete(app::remove),
            )
            .route(&format!("{of}/webhook-secrets"), secrets())
            .route(
                &format!("{of}/webhook-secrets/previous"),
                delete(secrets::end_previous),
            )
            .route("/internal/deployment/webhook-secrets", secrets())
            .route(
                "/internal/deployment/webhook-secrets/previous",
                delete(secrets::end_previous),
            )
            .route(
                &format!("{of}/webhook-subscriptions"),
                get(subscriptions::list)
                    .post(subscriptions::subscribe)
                    .delete(subscriptions::unsubscribe),
            )
            .route(
                "/internal/creators/{id}/agency",
                put(agency::bind).delete(agency::release),
            )
            .route("/internal/agencies/{id}/creators", get(agency::creators))
            .with_state(Arc::new(room))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("authorizer", &self.authorizer)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}
