//! Where an operator connects an account: the way to Fanvue and back.

mod page;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fanvue_bot_core::oauth::{
    AuthorizeError, Authorized, Authorizer, CallbackQuery, Confirmation, GrantId, Login, SessionId,
};
use serde::Deserialize;

/// Who may connect accounts. The integrator's own sessions decide.
#[async_trait]
pub trait AdminCheck: fmt::Debug + Send + Sync + 'static {
    /// The session that the request belongs to, if it may connect the creator or agency; or else the answer to give
    /// instead, such as a redirect to the login or a 403.
    ///
    /// The session is what an authorization is bound to: name it by something that cannot be guessed, such
    /// as the session's token, and that stays the same for 10 minutes. A session's cookie must be
    /// `SameSite=Lax` and not `Strict`, or it is not sent when Fanvue sends the browser back.
    ///
    /// # Errors
    /// The answer for those who may not.
    async fn check(&self, request: &Parts, grant: GrantId) -> Result<SessionId, Response>;
}

/// The routes by which an operator connects the account of a creator or an agency.
///
/// | Route | Does |
/// | --- | --- |
/// | `GET /oauth/start?creator_id={id}`, `?agency_id={id}` | sends the browser to Fanvue; with `&login=fresh` Fanvue asks for a login in any case |
/// | `GET /oauth/callback` | takes it back, and shows what came of it |
/// | `POST /oauth/confirm` | the answer to the question whether another account is meant |
///
/// Every route asks the [`AdminCheck`] first. Pages are plain HTML without scripts, are not stored by
/// caches, and repeat nothing of a request; each error is shown with what to do about it. The status is 200,
/// or 400 for what can be mended by starting again, 502 for trouble at Fanvue and 503 for our own.
#[derive(Clone)]
pub struct OAuth {
    door: Arc<Door>,
}

/// The largest form, in bytes: one confirmation and one word.
const FORM: usize = 1_024;

struct Door {
    authorizer: Authorizer,
    admins: Arc<dyn AdminCheck>,
}

impl OAuth {
    /// The routes of `authorizer`, for those whom `admins` lets pass. Its redirect URI has to end in
    /// `/oauth/callback` below wherever the router is mounted.
    #[must_use]
    pub fn new(authorizer: Authorizer, admins: Arc<dyn AdminCheck>) -> Self {
        Self {
            door: Arc::new(Door { authorizer, admins }),
        }
    }

    /// The routes, to be served or merged into other ones.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/oauth/start", get(start))
            .route("/oauth/callback", get(callback))
            .route("/oauth/confirm", post(confirm))
            .layer(DefaultBodyLimit::max(FORM))
            .with_state(Arc::clone(&self.door))
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth")
            .field("authorizer", &self.door.authorizer)
            .field("admins", &self.door.admins)
            .finish()
    }
}

#[derive(Deserialize)]
struct StartQuery {
    creator_id: Option<String>,
    agency_id: Option<String>,
    login: Option<String>,
}

#[derive(Deserialize)]
struct Returned {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    confirmation: String,
    answer: String,
}

async fn start(
    State(door): State<Arc<Door>>,
    request: Parts,
    query: Result<Query<StartQuery>, QueryRejection>,
) -> Response {
    let asked = query.ok().and_then(|Query(query)| {
        let grant = match (query.creator_id, query.agency_id) {
            (Some(creator), None) => GrantId::Creator(creator.parse().ok()?),
            (None, Some(agency)) => GrantId::Agency(agency.parse().ok()?),
            _ => return None,
        };
        let login = match query.login.as_deref() {
            None => Login::Current,
            Some("fresh") => Login::Fresh,
            Some(_) => return None,
        };
        Some((grant, login))
    });
    let Some((grant, login)) = asked else {
        return page::not_understood();
    };
    let session = match door.admins.check(&request, grant).await {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    match door.authorizer.start(session, grant, login).await {
        Ok(url) => match HeaderValue::from_str(&url) {
            Ok(url) => sealed((StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response()),
            Err(_) => page::not_understood(),
        },
        Err(error) => failed(grant, &error),
    }
}

async fn callback(
    State(door): State<Arc<Door>>,
    request: Parts,
    query: Result<Query<Returned>, QueryRejection>,
) -> Response {
    let Ok(Query(returned)) = query else {
        return page::not_understood();
    };
    let query = CallbackQuery {
        state: returned.state,
        code: returned.code,
        error: returned.error,
        error_description: returned.error_description,
        iss: returned.iss,
    };
    let Some(grant) = query.grant() else {
        return page::not_understood();
    };
    let session = match door.admins.check(&request, grant).await {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    match door.authorizer.callback(session, &query).await {
        Ok(Authorized::Connected { user, .. }) => page::connected(user.handle.as_deref()),
        Ok(Authorized::OtherAccount {
            user, confirmation, ..
        }) => page::question(user.handle.as_deref(), &confirmation),
        Ok(_) => page::not_understood(),
        Err(error) => failed(grant, &error),
    }
}

async fn confirm(
    State(door): State<Arc<Door>>,
    request: Parts,
    form: Result<Form<Answer>, FormRejection>,
) -> Response {
    let Ok(Form(answer)) = form else {
        return page::not_understood();
    };
    let confirmation = Confirmation::new(answer.confirmation);
    let Some(grant) = confirmation.grant() else {
        return page::not_understood();
    };
    let session = match door.admins.check(&request, grant).await {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    let outcome = match answer.answer.as_str() {
        "yes" => door
            .authorizer
            .confirm(session, &confirmation)
            .await
            .map(|_| page::connected(None)),
        "no" => door
            .authorizer
            .reject(session, &confirmation)
            .await
            .map(|_| page::unchanged()),
        _ => return page::not_understood(),
    };
    outcome.unwrap_or_else(|error| failed(grant, &error))
}

fn failed(grant: GrantId, error: &AuthorizeError) -> Response {
    tracing::warn!(grant.id = %grant, error = %error, "an account could not be connected");
    let status = match error {
        AuthorizeError::Client { .. } | AuthorizeError::ServerTrouble => StatusCode::BAD_GATEWAY,
        AuthorizeError::Token(_)
        | AuthorizeError::Store(_)
        | AuthorizeError::Vault(_)
        | AuthorizeError::Entropy(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    page::failed(status, error)
}

/// Addresses and pages of a connection hold codes and states: they go into no cache, no frame and no
/// `Referer`.
fn sealed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn html(status: StatusCode, body: String) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    sealed((status, [(CONTENT_TYPE, kind)], body).into_response())
}
