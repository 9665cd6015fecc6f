//! The OAuth app of a creator's or an agency's own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::oauth::{
    App, AppError, AppOwner, AppSummary, Connection, GrantId, TokenError,
};
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
    /// After a change: whether the account has to be connected anew, since its tokens are of another app.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_again: Option<bool>,
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
    let before = client_id(&room, grant).await;
    match room.connections.tokens.apps().save(grant, &app).await {
        Ok(_) => changed(&room, grant, before).await,
        Err(error @ AppError::Invalid { .. }) => ask::bad(&error.to_string()),
        Err(error) => answer::failed(&error),
    }
}

pub(super) async fn remove(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    let before = client_id(&room, grant).await;
    match room.connections.tokens.apps().remove(grant).await {
        Ok(()) => changed(&room, grant, before).await,
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

/// The id of the app before a change; `None` if it does not read back, which the change mends.
async fn client_id(room: &Room, grant: GrantId) -> Option<Arc<str>> {
    let summary = room.connections.tokens.apps().summary(grant).await;
    summary.ok().map(|summary| summary.client_id)
}

async fn changed(room: &Room, grant: GrantId, before: Option<Arc<str>>) -> Response {
    let told = async {
        let view = view(room, grant).await?;
        let status = room.connections.tokens.status(grant).await?;
        let is_another = before.as_deref() != Some(&*view.client_id);
        let connect_again = is_another && status.connection != Connection::NotConnected;
        Ok(View {
            connect_again: Some(connect_again),
            ..view
        })
    };
    match told.await {
        Ok(view) => ask::json(StatusCode::OK, &view),
        Err(error) => answer::token(&error),
    }
}

async fn view(room: &Room, grant: GrantId) -> Result<View, TokenError> {
    let AppSummary {
        owner,
        client_id,
        secret,
        redirect_uri,
        ..
    } = room.connections.tokens.apps().summary(grant).await?;
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
        connect_again: None,
    })
}
