//! A test event, sent and watched at somebody's call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::self_test::{SelfTestReport, StepReport};
use serde::{Deserialize, Serialize};

use super::{Rooms, ask};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    seconds: Option<u64>,
}

#[derive(Serialize)]
struct StepView {
    step: &'static str,
    verdict: &'static str,
    millis: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

impl From<&StepReport> for StepView {
    fn from(step: &StepReport) -> Self {
        let problem = step.problem.as_ref();
        Self {
            step: step.name.as_str(),
            verdict: problem.map_or("ok", |_| "broken"),
            millis: u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
            cause: problem.map(|problem| problem.as_str()),
            meaning: problem.map(ToString::to_string),
            action: problem.map(|problem| problem.action()),
        }
    }
}

#[derive(Serialize)]
struct Report {
    verdict: &'static str,
    steps: Vec<StepView>,
}

impl From<&SelfTestReport> for Report {
    fn from(report: &SelfTestReport) -> Self {
        Self {
            verdict: if report.is_ok() { "ok" } else { "broken" },
            steps: report.steps.iter().map(StepView::from).collect(),
        }
    }
}

pub(super) async fn run(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let Some(test) = &rooms.self_test else {
        return ask::unknown("no self-test is set up here; see `InternalBuilder::self_test`");
    };
    match limit(query.as_deref(), request).await {
        Ok(limit) => ask::json(StatusCode::OK, &Report::from(&test.run(limit).await)),
        Err(refusal) => refusal.into_response(),
    }
}

async fn limit(query: Option<&str>, request: Request) -> Result<Duration, ask::Refusal> {
    let asked: Asked = ask::read(query, request.into_body()).await?;
    let seconds = ask::within("seconds", asked.seconds, 20, 1..=300)?;
    Ok(Duration::from_secs(seconds))
}
