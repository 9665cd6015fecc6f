//! Work on what is due, at somebody's call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::worker::{Batch, BatchReport, Worker, WorkerOptions};
use serde::{Deserialize, Serialize};

use super::{Rooms, ask};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    batch: Option<u64>,
    seconds: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    claimed: u64,
    done: u64,
    put_off: u64,
    failed: u64,
    lost: u64,
    handed_back: u64,
    more_due: bool,
}

impl From<BatchReport> for Report {
    fn from(report: BatchReport) -> Self {
        Self {
            claimed: report.claimed,
            done: report.work.done,
            put_off: report.work.retrying,
            failed: report.work.given_up,
            lost: report.work.lost,
            handed_back: report.work.handed_back,
            more_due: report.more_due,
        }
    }
}

pub(super) async fn run(
    State(rooms): State<Arc<Rooms>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    match batch(query.as_deref(), request).await {
        Ok(batch) => work(&rooms, batch).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn batch(query: Option<&str>, request: Request) -> Result<Batch, ask::Refusal> {
    let asked: Asked = ask::read(query, request.into_body()).await?;
    let lanes = ask::within("batch", asked.batch, 20, 1..=200)?;
    let seconds = ask::within("seconds", asked.seconds, 50, 1..=600)?;
    Ok(Batch {
        lanes: usize::try_from(lanes).unwrap_or(usize::MAX),
        time: Duration::from_secs(seconds),
    })
}

async fn work(rooms: &Rooms, batch: Batch) -> Response {
    let worker = Worker::new(rooms.engine.clone(), WorkerOptions::new(rooms.worker()));
    // A task of its own: a caller that leaves must not cut conversations short.
    match tokio::spawn(worker.run_batch(batch)).await {
        Ok(Ok(report)) => ask::json(StatusCode::OK, &Report::from(report)),
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no jobs could be claimed"
            );
            ask::unavailable("the queue does not answer")
        }
        Err(_) => ask::unavailable("the work was cut short"),
    }
}
