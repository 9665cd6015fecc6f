//! How a connection is doing, and its end.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use fanvue_bot_core::oauth::{Connection, GrantId, GrantStatus, TokenError};
use fanvue_bot_core::store::StoreError;
use fanvue_bot_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::whose::Whose;
use super::{Room, answer};
use crate::internal::ask;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    at_fanvue: AtFanvue,
}

/// What becomes of the grant at Fanvue.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum AtFanvue {
    #[default]
    Revoke,
    Keep,
}

#[derive(Serialize)]
struct View {
    /// Whose grant: the creator's own, or that of the agency which reaches them.
    grant: String,
    connection: &'static str,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    scopes: Vec<String>,
}

impl View {
    fn new(grant: GrantId, status: GrantStatus) -> Self {
        Self {
            grant: grant.to_string(),
            connection: match status.connection {
                Connection::Connected => "connected",
                Connection::NeedsReconnect => "needs_reconnect",
                _ => "not_connected",
            },
            issued_at: status.issued_at,
            expires_at: status.expires_at,
            scopes: status.scopes,
        }
    }
}

pub(super) async fn show(State(room): State<Arc<Room>>, Whose(whose): Whose) -> Response {
    match in_use(&room, whose).await {
        Ok(grant) => shown(&room, grant).await,
        Err(error) => answer::failed(&error),
    }
}

pub(super) async fn end(
    State(room): State<Arc<Room>>,
    Whose(whose): Whose,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Query(Asked { at_fanvue })) = asked else {
        return ask::bad("the query may have at_fanvue, which is revoke or keep");
    };
    match in_use(&room, whose).await {
        Ok(GrantId::Agency(_)) if matches!(whose, GrantId::Creator(_)) => answer::conflict(
            "the creator is reached through an agency's grant",
            "Release the creator by DELETE /internal/creators/{id}/agency, or end the agency's connection by \
             DELETE /internal/agencies/{id}/connection.",
        ),
        Ok(grant) => {
            answer::to_the_end(async move {
                let tokens = &room.connections.tokens;
                let ended = match at_fanvue {
                    AtFanvue::Revoke => tokens.disconnect(grant).await,
                    AtFanvue::Keep => tokens.erase(grant).await,
                };
                match ended {
                    Ok(()) => shown(&room, grant).await,
                    Err(TokenError::Client { .. }) => not_revoked(),
                    Err(error) => answer::token(&error),
                }
            })
            .await
        }
        Err(error) => answer::failed(&error),
    }
}

/// The grant that is used for whoever the path names.
async fn in_use(room: &Room, whose: GrantId) -> Result<GrantId, StoreError> {
    let GrantId::Creator(id) = whose else {
        return Ok(whose);
    };
    let creator = room.store.creator(id).await?;
    Ok(creator.map_or(whose, |creator| creator.value.grant()))
}

async fn shown(room: &Room, grant: GrantId) -> Response {
    match room.connections.tokens.status(grant).await {
        Ok(status) => ask::json(StatusCode::OK, &View::new(grant, status)),
        Err(error) => answer::token(&error),
    }
}

fn not_revoked() -> Response {
    answer::fanvue(
        "the grant could not be revoked at fanvue, and nothing has changed",
        "Try again in a minute. If it stays, add ?at_fanvue=keep: the tokens are erased here, and the account's owner \
         ends the grant at fanvue.com/settings/account/third-party-apps.",
    )
}
