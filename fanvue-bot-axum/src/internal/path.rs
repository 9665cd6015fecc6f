//! Whom a path names.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use fanvue_bot_core::id::{BroadcastId, ConversationId, CreatorId};

use super::ask::Refusal;

/// A creator, who may be unknown.
pub(super) struct Owner(pub(super) CreatorId);

/// A fan of a creator; both may be unknown.
pub(super) struct Chat(pub(super) ConversationId);

/// A broadcast of a creator; both may be unknown.
pub(super) struct Named(pub(super) CreatorId, pub(super) BroadcastId);

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Ok(Self(creator(&names(parts).await)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Chat {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let names = names(parts).await;
        let fault = "the path must name a fan by their id at Fanvue, a UUID";
        let (creator, fan) = (creator(&names)?, id(&names, "fan", fault)?);
        Ok(Self(ConversationId::new(creator, fan)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let names = names(parts).await;
        let fault = "the path must name a broadcast by its id, a UUID of your own choice";
        Ok(Self(creator(&names)?, id(&names, "broadcast", fault)?))
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
    id(names, "id", fault)
}

fn id<T: FromStr>(names: &Names, name: &str, fault: &str) -> Result<T, Refusal> {
    let id = names.get(name).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Refusal::Bad(fault.to_owned()))
}
