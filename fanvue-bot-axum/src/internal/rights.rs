//! What fans and creators may ask for: a copy, and to be forgotten.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use bytes::Bytes;
use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::engine::{Engine, EngineError};
use fanvue_bot_core::export::{FanExport, Line};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

use super::path::{Chat, Owner};
use super::{Rooms, ask};

/// The routes, which admit everybody.
pub(super) fn router() -> Router<Arc<Rooms>> {
    let fan = "/internal/creators/{id}/fans/{fan}";
    Router::new()
        .route("/internal/erasures", get(erasures))
        .route("/internal/creators/{id}", delete(erase_creator))
        .route(fan, delete(erase_fan))
        .route(&format!("{fan}/export"), get(export))
}

#[derive(Serialize)]
struct Erasures {
    creators: Vec<CreatorErasure>,
}

#[derive(Serialize)]
struct CreatorErasure {
    creator: String,
    since: String,
    rows_from: String,
}

impl From<fanvue_bot_core::engine::CreatorErasure> for CreatorErasure {
    fn from(erasure: fanvue_bot_core::engine::CreatorErasure) -> Self {
        Self {
            creator: erasure.creator.to_string(),
            since: erasure.since.to_string(),
            rows_from: erasure.rows_from.to_string(),
        }
    }
}

#[derive(Serialize)]
struct FanErasure {
    through: String,
    rows_from: String,
}

async fn erasures(State(rooms): State<Arc<Rooms>>) -> Response {
    match rooms.engine.creators_being_erased().await {
        Ok(erasures) => {
            let creators = erasures.into_iter().map(CreatorErasure::from).collect();
            ask::json(StatusCode::OK, &Erasures { creators })
        }
        Err(error) => refused(&error),
    }
}

async fn erase_creator(State(rooms): State<Arc<Rooms>>, Owner(creator): Owner) -> Response {
    match rooms.engine.erase_creator(creator).await {
        Ok(erasure) => ask::json(StatusCode::ACCEPTED, &CreatorErasure::from(erasure)),
        Err(error) => refused(&error),
    }
}

async fn erase_fan(State(rooms): State<Arc<Rooms>>, Chat(fan): Chat) -> Response {
    match rooms.engine.erase_fan(fan).await {
        Ok(erasure) => {
            let erasure = FanErasure {
                through: erasure.through.to_string(),
                rows_from: erasure.sends_until.to_string(),
            };
            ask::json(StatusCode::ACCEPTED, &erasure)
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &EngineError) -> Response {
    match error {
        EngineError::UnknownCreator => ask::unknown("there is no such creator"),
        EngineError::UnknownConversation => ask::unknown("nothing is held of this fan"),
        error => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "what a person has a right to could not be done"
            );
            ask::unavailable("the store or the queue does not answer")
        }
    }
}

/// The first lines decide on the status; the rest is read as the caller takes it.
async fn export(State(rooms): State<Arc<Rooms>>, Chat(fan): Chat) -> Response {
    let engine: &Engine = &rooms.engine;
    let mut export = FanExport::new(engine.backend(), fan, engine.now());
    let first = match export.next_lines().await {
        Ok(Some(lines)) if !lines.is_empty() => text(&lines),
        Ok(_) => return ask::unknown("nothing is held of this fan"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an export failed");
            return ask::unavailable("the store or the queue does not answer");
        }
    };
    let (parts, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut part = Ok(first);
        // A caller who leaves takes no more.
        while parts.send(part).await.is_ok() {
            part = match export.next_lines().await {
                Ok(Some(lines)) => Ok(text(&lines)),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "an export was cut short"
                    );
                    // Ends the connection, so that nobody takes it for the whole.
                    drop(parts.send(Err(error)).await);
                    return;
                }
            };
        }
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::new(Taken(taken))).into_response()
}

fn text(lines: &[Line]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        // Writing to memory what has no keys but text does not fail.
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

/// A body of the parts that come in.
struct Taken(mpsc::Receiver<Result<Bytes, BackendError>>);

impl hyper::body::Body for Taken {
    type Data = Bytes;
    type Error = BackendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BackendError>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| part.map(Frame::data)))
    }
}
