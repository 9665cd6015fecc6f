//! Which creator and which broadcast a path names.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::id::{BroadcastId, CreatorId};

use crate::internal::ask::{self, Refusal};

/// A creator, who may be unknown.
pub(super) struct Owner(pub(super) CreatorId);

/// A broadcast of a creator; both may be unknown.
pub(super) struct Named(pub(super) CreatorId, pub(super) BroadcastId);

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let creator = creator(&names(parts).await);
        creator.map(Self).map_err(Refusal::into_response)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let names = names(parts).await;
        let broadcast = id(&names, "broadcast");
        let fault = "the path must name a broadcast by its id, a UUID of your own choice";
        Ok(Self(
            creator(&names).map_err(Refusal::into_response)?,
            broadcast.ok_or_else(|| ask::bad(fault))?,
        ))
    }
}

type Names = BTreeMap<String, String>;

/// What is no text names nothing.
async fn names(parts: &mut Parts) -> Names {
    let names = Path::<Names>::from_request_parts(parts, &()).await;
    names.map(|Path(names)| names).unwrap_or_default()
}

fn creator(names: &Names) -> Result<CreatorId, Refusal> {
    let fault = "the path must name a creator by their id, a UUID";
    id(names, "id").ok_or_else(|| Refusal::Bad(fault.to_owned()))
}

fn id<T: FromStr>(names: &Names, name: &str) -> Option<T> {
    names.get(name)?.parse().ok()
}
