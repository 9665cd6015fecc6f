//! What a call asks for, and the answers to what goes wrong.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use fanvue_bot_core::oauth::{AuthorizeError, TokenError};
use fanvue_bot_core::secret::VaultError;
use fanvue_bot_core::webhook::SubscribeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::internal::ask::{self, Refusal};
use crate::webhook::body;

/// The largest body, in bytes: three texts of 2 KiB, which is the most that each may have, and what is around them.
const BODY: usize = 8_192;

/// Reads the JSON object of the body; without one, an object of nothing, whose fields are then missing by name.
pub(super) async fn read<T: DeserializeOwned>(request: Request, shape: &str) -> Result<T, Refusal> {
    let body = body::read(request.into_body(), BODY, ask::READ).await;
    let body = body.map_err(Refusal::Unread)?;
    let object: &[u8] = match body.trim_ascii() {
        [] => b"{}",
        object => object,
    };
    // What serde says would repeat what was sent.
    serde_json::from_slice(object).map_err(|_| Refusal::Bad(shape.to_owned()))
}

/// The field, or a refusal that says which one is missing and where it is found.
pub(super) fn present(field: Option<String>, missing: &str) -> Result<String, Refusal> {
    field.ok_or_else(|| Refusal::Bad(missing.to_owned()))
}

#[derive(Serialize)]
struct Refused<'a> {
    error: &'a str,
    remedy: &'a str,
}

/// It cannot be done as things are.
pub(in crate::internal) fn conflict(error: &str, remedy: &str) -> Response {
    ask::json(StatusCode::CONFLICT, &Refused { error, remedy })
}

/// Fanvue could not be asked.
pub(in crate::internal) fn fanvue(error: &str, remedy: &str) -> Response {
    ask::json(StatusCode::BAD_GATEWAY, &Refused { error, remedy })
}

/// The store or the vault did not answer.
pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::warn!(error, "a connection could not be seen to");
    ask::unavailable("the store or the vault does not answer; see the log of the deployment")
}

/// Why there is no token, or none could be given back.
pub(in crate::internal) fn token(error: &TokenError) -> Response {
    let text = error.to_string();
    match error {
        TokenError::NotConnected => conflict(&text, "Connect the account first."),
        TokenError::Corrupt => conflict(&text, "Connect the account again."),
        TokenError::CorruptApp => conflict(&text, "Save the app again, or remove it."),
        TokenError::Vault(vault) if matches!(**vault, VaultError::Sealed { .. }) => conflict(
            &text,
            "Check that the master key that sealed it is configured. If it is lost, save it again, or connect the account again.",
        ),
        TokenError::Client { .. } | TokenError::Unaccepted => fanvue(
            &text,
            "Try again in a minute; if it stays, see the creator's line about the refresh in /internal/health.",
        ),
        TokenError::Busy | TokenError::Unanswered => {
            ask::unavailable("the access token is being refreshed; try again")
        }
        error => failed(error),
    }
}

/// Why an agency could not be listed, bound or released.
pub(super) fn authorize(error: &AuthorizeError) -> Response {
    match error {
        AuthorizeError::UnknownCreator => ask::unknown("there is no such creator"),
        AuthorizeError::Token(error) => token(error),
        AuthorizeError::Client { .. } => fanvue(&error.to_string(), error.remedy()),
        AuthorizeError::Store(_) | AuthorizeError::Vault(_) | AuthorizeError::Entropy(_) => {
            failed(error)
        }
        error => conflict(&error.to_string(), error.remedy()),
    }
}

/// Why a webhook could not be subscribed, listed or ended.
pub(super) fn subscribe(error: &SubscribeError) -> Response {
    match error {
        SubscribeError::Token(error) => token(error),
        SubscribeError::Client { .. } => fanvue(&error.to_string(), error.remedy()),
        SubscribeError::Vault(_) => failed(error),
        error => conflict(&error.to_string(), error.remedy()),
    }
}

/// Does something to its end, also if the caller leaves.
pub(super) async fn to_the_end(work: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(work).await {
        Ok(response) => response,
        Err(_) => ask::unavailable("the call was cut short"),
    }
}
