//! What a call may be refused with, and the bodies that Fanvue gives for it.

use serde_json::{Value, json};

/// A refusal by the API.
///
/// Fanvue has no single envelope for errors; [`body`](Self::body) gives the shape that goes with
/// each case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// 400 with `errors`: the request itself is malformed.
    Validation(Vec<String>),
    /// 400 with `message`: well formed, but not possible for this fan or object.
    Refused(String),
    /// 400 with an empty `error`, as seen on webhook subscriptions of private apps.
    Empty,
    /// 401: no token, or one that is expired, revoked or foreign.
    Unauthorized,
    /// 403: a scope is missing, or the caller is not a creator.
    Forbidden(String),
    /// 404: no such path, chat, message, fan or list.
    NotFound(String),
    /// 409: the name is taken.
    Conflict(String),
    /// 413: the body is larger than the simulator reads.
    TooLarge,
    /// 429: the bucket is empty.
    RateLimited,
}

impl ApiError {
    /// One validation message.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Validation(vec![message.into()])
    }

    /// A 404 for the named kind of thing.
    pub fn not_found(what: &str) -> Self {
        Self::NotFound(format!("{what} not found"))
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Validation(_) | Self::Refused(_) | Self::Empty => 400,
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        match self {
            Self::Validation(errors) => json!({"errors": errors}),
            Self::Refused(message) | Self::NotFound(message) | Self::Conflict(message) => {
                json!({"message": message})
            }
            Self::Empty => json!({"error": ""}),
            Self::Unauthorized => json!({"error": "Unauthorized"}),
            Self::Forbidden(error) => json!({"error": error}),
            Self::TooLarge => json!({"message": "Payload too large"}),
            Self::RateLimited => json!({"error": "Too many requests"}),
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}: {}", self.status(), self.body())
    }
}

impl std::error::Error for ApiError {}
