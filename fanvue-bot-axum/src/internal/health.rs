//! How the deployment and its creators are doing, for machines and for people.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::health::{Checkup, CreatorHealth, DeploymentHealth, Line};
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::pulse::Failing;
use fanvue_bot_core::rate::Remaining;
use fanvue_bot_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Rooms, ask};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    creator: Option<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Text,
}

#[derive(Serialize)]
struct LineView {
    topic: &'static str,
    verdict: &'static str,
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<FailingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<RemainingView>,
}

#[derive(Serialize)]
struct RemainingView {
    requests: u32,
    limit: u32,
    held_until: Option<Timestamp>,
}

impl From<Remaining> for RemainingView {
    fn from(remaining: Remaining) -> Self {
        Self {
            requests: remaining.requests,
            limit: remaining.limit,
            held_until: remaining.held_until,
        }
    }
}

#[derive(Serialize)]
struct FailingView {
    trouble: &'static str,
    since: Timestamp,
    at: Timestamp,
}

impl From<Failing> for FailingView {
    fn from(failing: Failing) -> Self {
        Self {
            trouble: failing.trouble.as_str(),
            since: failing.since,
            at: failing.at,
        }
    }
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        let cause = line.finding.map(|finding| finding.cause);
        Self {
            topic: line.topic.as_str(),
            verdict: line.verdict().as_str(),
            at: line.at,
            cause: cause.map(|cause| cause.as_str()),
            since: line.finding.and_then(|finding| finding.since),
            meaning: cause.map(|cause| cause.meaning()),
            action: cause.map(|cause| cause.action()),
            last_failure: line.last_failure.map(FailingView::from),
            remaining: line.remaining.map(RemainingView::from),
        }
    }
}

#[derive(Serialize)]
struct CreatorView {
    creator: CreatorId,
    verdict: &'static str,
    at: Timestamp,
    noted_at: Option<Timestamp>,
    lines: Vec<LineView>,
}

impl From<&CreatorHealth> for CreatorView {
    fn from(health: &CreatorHealth) -> Self {
        Self {
            creator: health.creator,
            verdict: health.verdict().as_str(),
            at: health.at,
            noted_at: health.noted_at,
            lines: health.lines.iter().map(LineView::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct DeploymentView {
    verdict: &'static str,
    at: Timestamp,
    noted_at: Option<Timestamp>,
    lines: Vec<LineView>,
    well: usize,
    unwell: Vec<CreatorView>,
}

impl From<&DeploymentHealth> for DeploymentView {
    fn from(health: &DeploymentHealth) -> Self {
        Self {
            verdict: health.verdict().as_str(),
            at: health.at,
            noted_at: health.noted_at,
            lines: health.lines.iter().map(LineView::from).collect(),
            well: health.well,
            unwell: health.unwell.iter().map(CreatorView::from).collect(),
        }
    }
}

pub(super) async fn show(
    State(rooms): State<Arc<Rooms>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return ask::bad("the query may have creator, an id, and format, which is json or text");
    };
    let checkup = Checkup::new(&rooms.engine);
    let Some(creator) = asked.creator else {
        let health = checkup.deployment().await;
        return shown(asked.format, &health, &DeploymentView::from(&health));
    };
    let Ok(creator) = creator.parse() else {
        return ask::bad("creator must be a creator's id, a UUID");
    };
    match checkup.creator(creator).await {
        Ok(Some(health)) => shown(asked.format, &health, &CreatorView::from(&health)),
        Ok(None) => ask::unknown("there is no such creator"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store fails");
            ask::unavailable("the store does not answer")
        }
    }
}

fn shown(format: Format, text: &impl Display, view: &impl Serialize) -> Response {
    match format {
        Format::Json => ask::json(StatusCode::OK, view),
        Format::Text => {
            let headers = [
                (CONTENT_TYPE, "text/plain; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
            ];
            (StatusCode::OK, headers, text.to_string()).into_response()
        }
    }
}
