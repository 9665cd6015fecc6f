//! The answers to what cannot be done with a broadcast.

use axum::http::StatusCode;
use axum::response::Response;
use fanvue_bot_core::broadcast::{BroadcastError, BroadcastState};
use fanvue_bot_core::store::StoreError;
use serde::Serialize;
use serde_json::Value;

use crate::internal::ask;
use crate::internal::connections::answer::{conflict, fanvue, token};

/// What is wrong with what was asked for.
#[derive(Serialize)]
struct Invalid<F> {
    error: String,
    faults: F,
}

/// One thing that is wrong, written as core's faults are.
#[derive(Serialize)]
pub(super) struct Wrong {
    pub(super) field: &'static str,
    pub(super) reason: String,
    /// The valid value that is nearest to what was sent; null if none is evident.
    pub(super) nearest: Option<Value>,
}

/// The answer to what cannot be read.
pub(super) fn wrong(faults: &[Wrong]) -> Response {
    let sentences: Vec<String> = faults
        .iter()
        .map(|wrong| format!("{}: {}", wrong.field, wrong.reason))
        .collect();
    let error = sentences.join(". ");
    ask::json(StatusCode::BAD_REQUEST, &Invalid { error, faults })
}

/// Why it could not be done.
pub(super) fn refused(error: &BroadcastError) -> Response {
    match error {
        BroadcastError::UnknownCreator | BroadcastError::UnknownBroadcast => {
            ask::unknown(&error.to_string())
        }
        BroadcastError::Invalid(invalid) => {
            let invalid = Invalid {
                error: invalid.to_string(),
                faults: invalid.faults(),
            };
            ask::json(StatusCode::BAD_REQUEST, &invalid)
        }
        BroadcastError::NotNow { state } => conflict(&error.to_string(), remedy(state)),
        BroadcastError::Busy => ask::unavailable(&error.to_string()),
        BroadcastError::Store(StoreError::InvalidCursor) => {
            ask::bad("after must be next of the answer before")
        }
        BroadcastError::Token(error) => token(error),
        BroadcastError::Client(error) => fanvue(
            &error.to_string(),
            "Try again in a minute; if it stays, see the creator's lines in /internal/health.",
        ),
        error => {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(error, "a broadcast could not be seen to");
            ask::unavailable(
                "the store or the queue does not answer; see the log of the deployment",
            )
        }
    }
}

const fn remedy(state: &BroadcastState) -> &'static str {
    match state {
        BroadcastState::Draft => "Start it, or schedule it, first.",
        BroadcastState::Scheduled { .. } => "Pause it; then it is a draft again.",
        BroadcastState::Running => "Pause it or cancel it, or make another one.",
        BroadcastState::Paused => "Resume it or cancel it, or make another one.",
        _ => "It is over. Make another one, under an id of its own.",
    }
}
