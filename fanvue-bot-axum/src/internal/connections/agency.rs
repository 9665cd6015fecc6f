//! Whom an agency's grant reaches.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fanvue_bot_core::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot_core::oauth::ManagedCreator;
use serde::{Deserialize, Serialize};

use super::whose::{Agency, Known};
use super::{Room, answer};
use crate::internal::ask::{self, Refusal};

const SHAPE: &str = "the body must be a JSON object with agency_id and account_id; each is a text, and there are no \
                     other fields";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    agency_id: Option<String>,
    account_id: Option<String>,
}

#[derive(Serialize)]
struct Managed {
    account_id: AccountId,
    handle: Option<String>,
    display_name: Option<String>,
    creator: Option<CreatorId>,
    /// Whose grant reaches the creator here.
    grant: Option<String>,
}

impl From<ManagedCreator> for Managed {
    fn from(managed: ManagedCreator) -> Self {
        Self {
            account_id: managed.user.id,
            handle: managed.user.handle,
            display_name: managed.user.display_name,
            creator: managed.creator,
            grant: managed.grant.map(|grant| grant.to_string()),
        }
    }
}

#[derive(Serialize)]
struct Listed {
    creators: Vec<Managed>,
}

#[derive(Serialize)]
struct Reached {
    creator: CreatorId,
    agency_id: Option<AgencyId>,
}

pub(super) async fn creators(State(room): State<Arc<Room>>, Agency(agency): Agency) -> Response {
    match room.connections.authorizer.managed_creators(agency).await {
        Ok(managed) => {
            let creators = managed.into_iter().map(Managed::from).collect();
            ask::json(StatusCode::OK, &Listed { creators })
        }
        Err(error) => answer::authorize(&error),
    }
}

pub(super) async fn bind(
    State(room): State<Arc<Room>>,
    Known(creator): Known,
    request: Request,
) -> Response {
    let (agency, account) = match asked(request).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    // A grant of the creator's own is revoked after the creator is the agency's.
    answer::to_the_end(async move {
        let authorizer = &room.connections.authorizer;
        match authorizer.bind(agency, creator.id, account).await {
            Ok(()) => reached(creator.id, Some(agency)),
            Err(error) => answer::authorize(&error),
        }
    })
    .await
}

pub(super) async fn release(State(room): State<Arc<Room>>, Known(creator): Known) -> Response {
    match room.connections.authorizer.release(creator.id).await {
        Ok(()) => reached(creator.id, None),
        Err(error) => answer::authorize(&error),
    }
}

async fn asked(request: Request) -> Result<(AgencyId, AccountId), Refusal> {
    let asked: Asked = answer::read(request, SHAPE).await?;
    let agency = answer::present(
        asked.agency_id,
        "agency_id is missing; it is the id that the agency was connected with",
    )?;
    let account = answer::present(
        asked.account_id,
        "account_id is missing; it is one of those that GET /internal/agencies/{id}/creators lists",
    )?;
    let not_an_id = |fault: &str| Refusal::Bad(fault.to_owned());
    let agency = agency.parse();
    let agency = agency.map_err(|_| not_an_id("agency_id must be the agency's id, a UUID"))?;
    let account = account.parse().map_err(|_| {
        not_an_id("account_id must be the id of the creator's account at Fanvue, a UUID")
    })?;
    Ok((agency, account))
}

fn reached(creator: CreatorId, agency_id: Option<AgencyId>) -> Response {
    ask::json(StatusCode::OK, &Reached { creator, agency_id })
}
