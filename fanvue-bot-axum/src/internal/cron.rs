//! What has to be done from time to time, at somebody's call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::tick::TickReport;
use serde::{Deserialize, Serialize};

use super::{Rooms, ask};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    seconds: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    polled: u64,
    found: u64,
    polls_put_off: u64,
    broadcasts: u64,
    creators: u64,
    authorizations_erased: u64,
    grants_kept: u64,
    creators_erased: u64,
    failed: u64,
    more: bool,
}

impl From<TickReport> for Report {
    fn from(report: TickReport) -> Self {
        Self {
            polled: report.polled,
            found: report.found,
            polls_put_off: report.polls_put_off,
            broadcasts: report.broadcasts,
            creators: report.creators,
            authorizations_erased: report.authorizations_erased,
            grants_kept: report.grants_kept,
            creators_erased: report.creators_erased,
            failed: report.failed,
            more: report.more,
        }
    }
}

pub(super) async fn tick(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    match time(query.as_deref(), request).await {
        Ok(time) => run(&rooms, time).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn time(query: Option<&str>, request: Request) -> Result<Duration, ask::Refusal> {
    let asked: Asked = ask::read(query, request.into_body()).await?;
    let seconds = ask::within("seconds", asked.seconds, 50, 1..=600)?;
    Ok(Duration::from_secs(seconds))
}

async fn run(rooms: &Rooms, time: Duration) -> Response {
    let (tick, until) = (rooms.tick.clone(), rooms.engine.now() + time);
    // A task of its own: a caller that leaves must not leave a token refresh half done.
    match tokio::spawn(async move { tick.run(until).await }).await {
        Ok(Ok(report)) => ask::json(StatusCode::OK, &Report::from(report)),
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a tick was not ended"
            );
            ask::unavailable("the store or the queue does not answer")
        }
        Err(_) => ask::unavailable("the tick was cut short"),
    }
}
