//! The OAuth app of a creator's or an agency's own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::oauth::{App, AppError, AppOwner, AppSummary, GrantId, TokenError};
use serde::{Deserialize, Serialize};

use super::whose::Whose;
use super::{Room, answer};
use crate::internal::ask::{self, Refusal};

const SHAPE: &str = "the body must be a JSON object with client_id, client_secret and, if the app has one of its own, \
                     redirect_uri; each is a text, and there are no other fields";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    client_id: Option<String>,
    client_secret: Option<String>,
    redirect_uri: Option<String>,
}

#[derive(Serialize)]
struct View {
    owner: &'static str,
    client_id: String,
    client_secret: Fingerprint,
    redirect_uri: Option<String>,
    /// Whether the account has to be connected anew, since its tokens are of another app.
    connect_again: bool,
}

#[derive(Serialize)]
struct Fingerprint {
    fingerprint: String,
}

pub(super) async fn show(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    match view(&room, grant).await {
        Ok(view) => ask::json(StatusCode::OK, &view),
        Err(error) => answer::token(&error),
    }
}

pub(super) async fn save(
    State(room): State<Arc<Room>>,
    Whose(grant): Whose,
    request: Request,
) -> Response {
    let app = match asked(request).await {
        Ok(app) => app,
        Err(refusal) => return refusal.into_response(),
    };
    match room.connections.tokens.apps().save(grant, &app).await {
        Ok(_) => show(State(room), Whose(grant)).await,
        Err(error @ AppError::Invalid { .. }) => ask::bad(&error.to_string()),
        Err(error) => answer::failed(&error),
    }
}

pub(super) async fn remove(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    match room.connections.tokens.apps().remove(grant).await {
        Ok(()) => show(State(room), Whose(grant)).await,
        Err(error) => answer::failed(&error),
    }
}

async fn asked(request: Request) -> Result<App, Refusal> {
    let asked: Asked = answer::read(request, SHAPE).await?;
    let client_id = answer::present(
        asked.client_id,
        "client_id is missing; copy it from the app's page at fanvue.com/developers/apps",
    )?;
    let client_secret = answer::present(
        asked.client_secret,
        "client_secret is missing; Fanvue shows it once, and a new one makes the old one useless",
    )?;
    let app = App::new(AppCredentials {
        client_id: client_id.into(),
        client_secret: ClientSecret::new(client_secret),
    });
    Ok(match asked.redirect_uri {
        Some(uri) => app.redirect_uri(uri),
        None => app,
    })
}

async fn view(room: &Room, grant: GrantId) -> Result<View, TokenError> {
    let tokens = &room.connections.tokens;
    let AppSummary {
        owner,
        client_id,
        secret,
        redirect_uri,
        ..
    } = tokens.apps().summary(grant).await?;
    Ok(View {
        owner: match owner {
            AppOwner::Own => "own",
            AppOwner::Deployment => "deployment",
        },
        client_id: client_id.to_string(),
        client_secret: Fingerprint {
            fingerprint: secret.to_string(),
        },
        redirect_uri,
        connect_again: !tokens.is_of_its_app(grant).await?,
    })
}
