//! The secrets that webhooks are signed with: the current one, and the one before.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::secret::{Secret, SecretOwner};
use fanvue_bot_core::webhook::{LiveSecrets, WebhookSecretError};
use serde::{Deserialize, Serialize};

use super::whose::Owner;
use super::{Room, answer};
use crate::internal::ask;

const SHAPE: &str = "the body must be a JSON object with secret, a text, and no other field";
const MISSING: &str = "secret is missing; copy \"View Signing Secret\" from the app's Events tab at \
                       fanvue.com/developers/apps";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    secret: Option<String>,
}

/// The fingerprints of what counts.
#[derive(Serialize)]
pub(super) struct View {
    current: Option<String>,
    previous: Option<String>,
}

impl From<LiveSecrets> for View {
    fn from(live: LiveSecrets) -> Self {
        Self {
            current: live.current.map(|secret| secret.to_string()),
            previous: live.previous.map(|secret| secret.to_string()),
        }
    }
}

pub(super) async fn show(State(room): State<Arc<Room>>, Owner(owner): Owner) -> Response {
    shown(&room, owner).await
}

pub(super) async fn save(
    State(room): State<Arc<Room>>,
    Owner(owner): Owner,
    request: Request,
) -> Response {
    let asked: Asked = match answer::read(request, SHAPE).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let secret = match answer::present(asked.secret, MISSING) {
        Ok(secret) => Secret::new(secret),
        Err(refusal) => return refusal.into_response(),
    };
    match room.connections.secrets.rotate(owner, &secret).await {
        Ok(live) => ask::json(StatusCode::OK, &View::from(live)),
        Err(WebhookSecretError::Invalid(_)) => {
            ask::bad("secret is empty; copy it again from where Fanvue shows it")
        }
        Err(error) => answer::failed(&error),
    }
}

pub(super) async fn end_previous(State(room): State<Arc<Room>>, Owner(owner): Owner) -> Response {
    match room.connections.secrets.end_previous(owner).await {
        Ok(()) => shown(&room, owner).await,
        Err(error) => answer::failed(&error),
    }
}

pub(super) async fn remove(State(room): State<Arc<Room>>, Owner(owner): Owner) -> Response {
    match room.connections.secrets.remove(owner).await {
        Ok(()) => shown(&room, owner).await,
        Err(error) => answer::failed(&error),
    }
}

async fn shown(room: &Room, owner: SecretOwner) -> Response {
    match room.connections.secrets.live(owner).await {
        Ok(live) => ask::json(StatusCode::OK, &View::from(live)),
        Err(error) => answer::failed(&error),
    }
}
