//! Whose connection a call is about, as its path names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::oauth::GrantId;
use fanvue_bot_core::secret::SecretOwner;

use super::{Room, answer};
use crate::internal::ask::{self, Refusal};

/// What the path names: `{whose}` and `{id}`, as far as the route has them.
type Names = BTreeMap<String, String>;

/// A creator of this deployment, who exists.
pub(super) struct Known(pub(super) Creator);

/// An agency; they need no record.
pub(super) struct Agency(pub(super) AgencyId);

/// Whose grant: that of a creator who exists, or an agency's.
pub(super) struct Whose(pub(super) GrantId);

/// Whose secrets: as for [`Whose`], or the deployment's.
pub(super) struct Owner(pub(super) SecretOwner);

impl FromRequestParts<Arc<Room>> for Known {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, room: &Arc<Room>) -> Result<Self, Response> {
        let names = names(parts).await?;
        creator(room, &names).await.map(Self)
    }
}

impl FromRequestParts<Arc<Room>> for Agency {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _room: &Arc<Room>) -> Result<Self, Response> {
        let agency = agency(&names(parts).await?);
        agency.map(Self).map_err(Refusal::into_response)
    }
}

impl FromRequestParts<Arc<Room>> for Whose {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, room: &Arc<Room>) -> Result<Self, Response> {
        let names = names(parts).await?;
        match names.get("whose").map(String::as_str) {
            Some("creators") => {
                let creator = creator(room, &names).await?;
                Ok(Self(GrantId::Creator(creator.id)))
            }
            Some("agencies") => {
                let agency = agency(&names).map_err(Refusal::into_response)?;
                Ok(Self(GrantId::Agency(agency)))
            }
            _ => Err(ask::unknown(
                "the path must begin with /internal/creators/ or /internal/agencies/",
            )),
        }
    }
}

impl FromRequestParts<Arc<Room>> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, room: &Arc<Room>) -> Result<Self, Response> {
        if names(parts).await?.is_empty() {
            return Ok(Self(SecretOwner::Deployment));
        }
        let Whose(grant) = Whose::from_request_parts(parts, room).await?;
        Ok(Self(grant.owner()))
    }
}

async fn names(parts: &mut Parts) -> Result<Names, Response> {
    let names = Path::<Names>::from_request_parts(parts, &()).await;
    let names = names.map_err(|_: PathRejection| ask::bad("the path must be text"))?;
    Ok(names.0)
}

async fn creator(room: &Room, names: &Names) -> Result<Creator, Response> {
    let id: Option<CreatorId> = names.get("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| ask::bad("the path must name a creator by their id, a UUID"))?;
    match room.store.creator(id).await {
        Ok(Some(found)) => Ok(found.value),
        Ok(None) => Err(ask::unknown("there is no such creator")),
        Err(error) => Err(answer::failed(&error)),
    }
}

fn agency(names: &Names) -> Result<AgencyId, Refusal> {
    let id = names.get("id").and_then(|id| id.parse().ok());
    let fault = "the path must name an agency by its id, a UUID";
    id.ok_or_else(|| Refusal::Bad(fault.to_owned()))
}
