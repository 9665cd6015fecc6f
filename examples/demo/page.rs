//! The page: a chat as the fan sees it, and beside it what the bot decided and why.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::page::PageRequest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::Model;
use crate::platform::Platform;

#[derive(Debug)]
struct Shared {
    platform: Platform,
    engine: Engine,
    creator: CreatorId,
    creator_handle: String,
    model: Arc<Model>,
}

pub(crate) fn router(
    platform: Platform,
    engine: Engine,
    creator: CreatorId,
    creator_handle: String,
    model: Arc<Model>,
) -> Router {
    let shared = Arc::new(Shared {
        platform,
        engine,
        creator,
        creator_handle,
        model,
    });
    Router::new()
        .route(
            "/",
            get(|| async { asset("text/html; charset=utf-8", include_str!("page.html")) }),
        )
        .route(
            "/demo.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("page.js")) }),
        )
        .route(
            "/demo.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("page.css")) }),
        )
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/demo/fans", get(fans))
        .route("/demo/chat", get(chat))
        .route("/demo/act", post(act))
        .with_state(shared)
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}

/// A failure as the page shows it.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (
            StatusCode::BAD_GATEWAY,
            Json(json!({"error": format!("{:#}", self.0)})),
        )
            .into_response()
    }
}

async fn fans(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Failure> {
    let state = shared.platform.get("/_sim/state").await?;
    Ok(Json(
        json!({"fans": state["fans"], "creator": shared.creator_handle, "model": shared.model.name()}),
    ))
}

#[derive(Debug, Deserialize)]
struct ChatOf {
    fan: uuid::Uuid,
}

async fn chat(
    State(shared): State<Arc<Shared>>,
    Query(of): Query<ChatOf>,
) -> Result<Json<Value>, Failure> {
    let path = format!(
        "/_sim/transcript?creator={}&fan={}",
        shared.creator_handle, of.fan
    );
    let transcript = shared.platform.get(&path).await?;
    let id = ConversationId::new(shared.creator, FanId::from_uuid(of.fan));
    let store = shared.engine.backend().store();
    let stored = store.messages(id, &PageRequest::first(50)).await?;
    let decisions: Vec<Value> = stored
        .items
        .iter()
        .map(|message| {
            json!({
                "text": message.content.text,
                "author": message.author.as_str(),
                "turn": message.turn.map(|turn| turn.number()),
                "sentAt": message.sent_at,
                "decision": message.decision.as_ref().map(|decision| decision.outcome.to_string()),
                "kind": message.decision.as_ref().map(|decision| decision.outcome.as_str()),
            })
        })
        .collect();
    let conversation = store.conversation(id).await?;
    let phase = conversation.as_ref().and_then(|found| found.value.turn.as_ref()).map(|turn| {
        let phase = serde_json::to_value(&turn.phase).unwrap_or_default();
        json!({"turn": turn.id.number(), "draft": turn.draft, "phase": phase["phase"], "until": phase["until"]})
    });
    let paused = conversation
        .as_ref()
        .and_then(|found| found.value.paused_until);
    Ok(Json(json!({
        "messages": transcript["messages"],
        "typingSignals": transcript["typingSignals"],
        "decisions": decisions,
        "turn": phase,
        "pausedUntil": paused,
    })))
}

#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
enum Act {
    FanWrites { fan: uuid::Uuid, text: String },
    FanSendsPhoto { fan: uuid::Uuid },
    HumanWrites { fan: uuid::Uuid, text: String },
    DuplicateWebhook,
    LoseAnswer,
    FailModel,
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Failure> {
    let platform = &shared.platform;
    let creator = &shared.creator_handle;
    match act {
        Act::FanWrites { fan, text } => {
            platform
                .fan_writes(creator, &fan.to_string(), &text)
                .await?
        }
        Act::FanSendsPhoto { fan } => platform.fan_sends_photo(creator, &fan.to_string()).await?,
        Act::HumanWrites { fan, text } => {
            platform
                .human_writes(creator, &fan.to_string(), &text)
                .await?
        }
        Act::DuplicateWebhook => platform.break_next_webhook("duplicate").await?,
        Act::LoseAnswer => platform.lose_next_answer().await?,
        Act::FailModel => shared.model.fail_next(),
    }
    Ok(Json(json!({"done": true})))
}
