//! What a request to an internal route asks for, and how it is answered.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::webhook::body::{self, Unread};

/// The largest body, in bytes: a handful of numbers.
const BODY: usize = 1_024;
/// How long a body may take to arrive.
pub(super) const READ: Duration = Duration::from_secs(10);
/// How long a caller is asked to stay away when the store or the queue does not answer.
const COME_BACK: u64 = 5;

/// Why a call is not heeded.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What it asks for did not arrive.
    Unread(Unread),
    /// What it asks for makes no sense, for this reason.
    Bad(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unread(unread) => unread.status().into_response(),
            Self::Bad(reason) => bad(&reason),
        }
    }
}

/// Reads what is asked for from the JSON body or, without one, from the query.
pub(super) async fn read<T: DeserializeOwned>(
    query: Option<&str>,
    body: Body,
) -> Result<T, Refusal> {
    let body = body::read(body, BODY, READ)
        .await
        .map_err(Refusal::Unread)?;
    let asked = if body.trim_ascii().is_empty() {
        numbers(query.unwrap_or_default())
    } else {
        serde_json::from_slice(&body).ok()
    };
    asked.ok_or_else(|| {
        let shape = "the request must be a JSON object, or a query, of the fields that the route knows, each a whole number";
        Refusal::Bad(shape.to_owned())
    })
}

/// Reads a query of whole numbers as an object.
fn numbers<T: DeserializeOwned>(query: &str) -> Option<T> {
    let mut fields = serde_json::Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value: u64 = value.parse().ok()?;
        if fields.insert(name.to_owned(), value.into()).is_some() {
            return None;
        }
    }
    serde_json::from_value(fields.into()).ok()
}

/// The number that was asked for, or the default; out of the range, an answer that says so.
pub(super) fn within(
    name: &str,
    asked: Option<u64>,
    default: u64,
    range: RangeInclusive<u64>,
) -> Result<u64, Refusal> {
    match asked {
        None => Ok(default),
        Some(number) if range.contains(&number) => Ok(number),
        Some(_) => Err(Refusal::Bad(format!(
            "{name} must be between {} and {}",
            range.start(),
            range.end()
        ))),
    }
}

#[derive(Serialize)]
struct Fault<'a> {
    error: &'a str,
}

/// The answer to a request that makes no sense.
pub(super) fn bad(reason: &str) -> Response {
    json(StatusCode::BAD_REQUEST, &Fault { error: reason })
}

/// The answer about what does not exist.
pub(super) fn unknown(reason: &str) -> Response {
    json(StatusCode::NOT_FOUND, &Fault { error: reason })
}

/// The answer to whoever does not show the secret.
pub(super) fn unauthorized() -> Response {
    let mut response = json(
        StatusCode::UNAUTHORIZED,
        &Fault {
            error: "this route needs the deployment's bearer secret",
        },
    );
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The answer when nothing could be done.
pub(super) fn unavailable(reason: &str) -> Response {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &Fault { error: reason });
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(COME_BACK));
    response
}

/// An answer for machines, kept by no cache.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-store"),
            ];
            (status, headers, body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
