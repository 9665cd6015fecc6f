//! Accepting connections and answering requests, or failing to as a fault demands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::request::{Fields, Incoming};
use super::shared::{RequestRecord, Shared, stopped};
use super::{control, gate, oauth};
use crate::simulator::world::{ApiError, OAuthError, RequestFault};

/// The largest body read.
const MAX_BODY: usize = 1024 * 1024;

/// How long open connections may finish after a stop.
const DRAIN: Duration = Duration::from_secs(1);

/// The error that makes hyper close a connection without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves until told to stop.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "simulator cannot accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers should not wait to be joined by others.
    let _ = stream.set_nodelay(true);
    let mut stopping = shared.stopping.subscribe();
    let service = service_fn(move |request| handle(Arc::clone(&shared), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "simulator connection ended");
    }
}

async fn handle(
    shared: Arc<Shared>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(Answer::from(ApiError::TooLarge).into_response());
    };
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let request = Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: Fields::parse(&raw_query),
        headers: parts.headers,
        body: body.to_bytes().to_vec(),
    };
    if request.path == "/_sim" || request.path.starts_with("/_sim/") {
        let answer = if shared.settings.control {
            control::answer(&shared, &request)
        } else {
            Answer::from(ApiError::not_found("Path"))
        };
        return Ok(answer.into_response());
    }
    let (at, fault) = shared.look(|platform, now| {
        (
            now,
            platform
                .world
                .draw_request_fault(&request.method, &request.path),
        )
    });
    let mut record = RequestRecord {
        at,
        method: request.method.clone(),
        path: request.path.clone(),
        query: raw_query,
        status: None,
        executed: true,
        fault,
    };
    let (executed, answer) = answer(&shared, &request, fault).await;
    record.executed = executed;
    record.status = answer.as_ref().map(|answer| answer.status);
    shared.change(|platform, _| platform.requests.push(record));
    answer
        .map(|answer| identified(&shared, answer).into_response())
        .ok_or(Cut)
}

/// Answers as the fault has it: whether the request was executed, and the answer unless the
/// connection is cut.
async fn answer(
    shared: &Shared,
    request: &Incoming,
    fault: Option<RequestFault>,
) -> (bool, Option<Answer>) {
    let refused = match fault {
        Some(RequestFault::ErrorBefore(status)) => Some(Answer::gateway_error(status)),
        Some(RequestFault::CutBefore) => return (false, None),
        Some(RequestFault::Unauthorized) => {
            Some(shared.look(|platform, now| gate::refused(ApiError::Unauthorized, platform, now)))
        }
        Some(RequestFault::RateLimited(seconds)) => {
            Some(shared.look(|platform, now| gate::limited(platform, seconds, now)))
        }
        Some(RequestFault::InvalidGrant) => {
            Some(OAuthError::invalid_grant("the grant is refused on purpose").into())
        }
        _ => None,
    };
    if let Some(answer) = refused {
        return (false, Some(answer));
    }
    if let Some(RequestFault::SlowBefore(millis)) = fault {
        sleep(Duration::from_millis(millis)).await;
    }
    let answer = execute(shared, request);
    match fault {
        Some(RequestFault::ErrorAfter(status)) => (true, Some(Answer::gateway_error(status))),
        Some(RequestFault::CutAfter) => (true, None),
        Some(RequestFault::SlowAfter(millis)) => {
            sleep(Duration::from_millis(millis)).await;
            (true, Some(answer))
        }
        _ => (true, Some(answer)),
    }
}

fn execute(shared: &Shared, request: &Incoming) -> Answer {
    shared.change(|platform, now| {
        oauth::answer(platform, &shared.settings, request, now)
            .unwrap_or_else(|| gate::answer(platform, &shared.settings, request, now))
    })
}

fn identified(shared: &Shared, answer: Answer) -> Answer {
    let number = shared.look(|platform, _| platform.requests.len());
    answer.header("x-request-id", format!("req_{number:08}"))
}
