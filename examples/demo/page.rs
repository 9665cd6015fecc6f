//! The page: a chat as the fan sees it, and beside it what the bot decided and why.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fanvue_bot::conversation::Reply;
use fanvue_bot::draft::{DraftState, Note};
use fanvue_bot::engine::Engine;
use fanvue_bot::flow::{DraftId, OperatorAction};
use fanvue_bot::id::{ConversationId, CreatorId, FanId, TurnId};
use fanvue_bot::page::PageRequest;
use fanvue_bot::settings::Mode;
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
    let drafts: Vec<Value> = conversation
        .iter()
        .flat_map(|found| found.value.drafts.iter().rev())
        .map(|draft| {
            json!({
                "turn": draft.turn.number(),
                "draft": draft.draft,
                "written": draft.written,
                "edited": draft.edited,
                "state": draft.state,
                "open": draft.state.is_open() && draft.state != DraftState::Approved,
                "says": draft.state.to_string(),
            })
        })
        .collect();
    let ceiling = shared.engine.ceiling().await?;
    Ok(Json(json!({
        "messages": transcript["messages"],
        "typingSignals": transcript["typingSignals"],
        "decisions": decisions,
        "turn": phase,
        "pausedUntil": paused,
        "drafts": drafts,
        "asksFirst": ceiling.mode != Mode::Auto,
        "stoppedAt": ceiling.stopped_at,
    })))
}

#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
enum Act {
    FanWrites {
        fan: uuid::Uuid,
        text: String,
    },
    FanSendsPhoto {
        fan: uuid::Uuid,
    },
    HumanWrites {
        fan: uuid::Uuid,
        text: String,
    },
    DuplicateWebhook,
    LoseAnswer,
    FailModel,
    Approve {
        #[serde(flatten)]
        of: DraftOf,
        text: Option<String>,
    },
    Edit {
        #[serde(flatten)]
        of: DraftOf,
        text: String,
    },
    Reject {
        #[serde(flatten)]
        of: DraftOf,
        text: String,
    },
    Regenerate {
        #[serde(flatten)]
        of: DraftOf,
        text: String,
    },
    Pause {
        fan: uuid::Uuid,
    },
    Resume {
        fan: uuid::Uuid,
    },
    AskFirst,
    AnswerAlone,
    StopAll,
    ResumeAll,
}

#[derive(Debug, Deserialize)]
struct DraftOf {
    fan: uuid::Uuid,
    turn: u64,
    draft: u32,
}

impl DraftOf {
    fn id(&self) -> DraftId {
        DraftId {
            turn: TurnId::new(self.turn),
            draft: self.draft,
        }
    }
}

/// What an operator does about a chat, and whose it is.
fn operator(act: &Act, engine: &Engine) -> anyhow::Result<Option<(uuid::Uuid, OperatorAction)>> {
    let note = |text: &str| match text.trim() {
        "" => Ok(None),
        text => Note::new(text).map(Some),
    };
    Ok(Some(match act {
        Act::Approve { of, text } => {
            let edited = text.as_deref().map(Reply::new);
            let draft = of.id();
            (of.fan, OperatorAction::Approve { draft, edited })
        }
        Act::Edit { of, text } => {
            let (draft, text) = (of.id(), Reply::new(text.as_str()));
            (of.fan, OperatorAction::Edit { draft, text })
        }
        Act::Reject { of, text } => {
            let (draft, reason) = (of.id(), note(text)?);
            (of.fan, OperatorAction::Reject { draft, reason })
        }
        Act::Regenerate { of, text } => {
            let (draft, instruction) = (of.id(), note(text)?);
            (of.fan, OperatorAction::Regenerate { draft, instruction })
        }
        Act::Pause { fan } => {
            let until = engine.now() + Duration::from_secs(3_600);
            (*fan, OperatorAction::Pause { until })
        }
        Act::Resume { fan } => (*fan, OperatorAction::Resume),
        _ => return Ok(None),
    }))
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Failure> {
    let (platform, engine) = (&shared.platform, &shared.engine);
    let creator = &shared.creator_handle;
    if let Some((fan, action)) = operator(&act, engine)? {
        let id = ConversationId::new(shared.creator, FanId::from_uuid(fan));
        let acted = engine.act(id, action).await?.acted;
        return Ok(Json(
            json!({"done": acted.is_done(), "says": acted.to_string()}),
        ));
    }
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
        Act::AskFirst => drop(engine.limit(|ceiling| ceiling.mode = Mode::Draft).await?),
        Act::AnswerAlone => drop(engine.limit(|ceiling| ceiling.mode = Mode::Auto).await?),
        Act::StopAll => drop(engine.stop_all().await?),
        Act::ResumeAll => drop(engine.resume_all().await?),
        // Done above.
        Act::Approve { .. }
        | Act::Edit { .. }
        | Act::Reject { .. }
        | Act::Regenerate { .. }
        | Act::Pause { .. }
        | Act::Resume { .. } => {}
    }
    Ok(Json(json!({"done": true})))
}
