//! What an operator does with broadcasts.

mod answer;
mod asked;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use fanvue_bot_core::broadcast::{Broadcast, BroadcastError, Broadcaster};
use fanvue_bot_core::client::CustomList;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::page::{Cursor, Page, PageRequest};
use serde::{Deserialize, Serialize};

use super::ask;
use super::path::{Named, Owner};

/// How many items a list has in one answer, where nothing else is asked for.
const PAGE: u64 = 20;

/// What a call to one of these routes has at hand.
struct Room {
    engine: Engine,
    broadcaster: Broadcaster,
}

/// The routes, which admit everybody; none where no broadcasts are kept.
pub(super) fn router<S>(engine: &Engine) -> Option<Router<S>> {
    let room = Room {
        engine: engine.clone(),
        broadcaster: Broadcaster::new(engine)?,
    };
    let of = "/internal/creators/{id}";
    let one = format!("{of}/broadcasts/{{broadcast}}");
    let routes = Router::new()
        .route(&format!("{of}/fan-lists"), get(fan_lists))
        .route(&format!("{of}/broadcasts"), get(list))
        .route(&one, get(progress).put(save))
        .route(&format!("{one}/preview"), get(preview))
        .route(&format!("{one}/start"), post(start))
        .route(&format!("{one}/schedule"), post(schedule))
        .route(&format!("{one}/pause"), post(pause))
        .route(&format!("{one}/resume"), post(resume))
        .route(&format!("{one}/cancel"), post(cancel));
    Some(routes.with_state(Arc::new(room)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    limit: Option<u64>,
    after: Option<String>,
}

#[derive(Serialize)]
struct Broadcasts {
    broadcasts: Vec<Broadcast>,
    next: Option<String>,
}

#[derive(Serialize)]
struct FanLists {
    lists: Vec<FanList>,
    next: Option<String>,
}

#[derive(Serialize)]
struct FanList {
    custom: String,
    name: String,
    members: Option<u64>,
}

impl From<CustomList> for FanList {
    fn from(list: CustomList) -> Self {
        Self {
            custom: list.id.to_string(),
            name: list.name,
            members: list.members,
        }
    }
}

async fn fan_lists(
    State(room): State<Arc<Room>>,
    Owner(creator): Owner,
    part: Result<Query<Part>, QueryRejection>,
) -> Response {
    let page = match page(part, 50) {
        Ok(page) => page,
        Err(refusal) => return refusal.into_response(),
    };
    let listed = room.broadcaster.custom_lists(creator, &page).await;
    answered(listed.map(|Page { items, next }| FanLists {
        lists: items.into_iter().map(FanList::from).collect(),
        next: next.map(|next| next.to_string()),
    }))
}

async fn list(
    State(room): State<Arc<Room>>,
    Owner(creator): Owner,
    part: Result<Query<Part>, QueryRejection>,
) -> Response {
    let page = match page(part, 100) {
        Ok(page) => page,
        Err(refusal) => return refusal.into_response(),
    };
    let listed = room.broadcaster.list(creator, &page).await;
    answered(listed.map(|Page { items, next }| Broadcasts {
        broadcasts: items,
        next: next.map(|next| next.to_string()),
    }))
}

async fn progress(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.progress(creator, id).await)
}

async fn preview(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.preview(creator, id).await)
}

async fn save(
    State(room): State<Arc<Room>>,
    Named(creator, id): Named,
    request: Request,
) -> Response {
    let asked = match asked::draft(request).await {
        Ok(asked) => asked,
        Err(misread) => return misread.into_response(),
    };
    let mut draft = Broadcast::new(id, creator, asked.message, asked.segment, room.engine.now());
    if let Some(rest) = asked.rest {
        draft = draft.rest(rest);
    }
    match room.broadcaster.save(&draft).await {
        Ok(()) => progress(State(room), Named(creator, id)).await,
        Err(error) => answer::refused(&error),
    }
}

async fn start(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.start(creator, id).await)
}

async fn schedule(
    State(room): State<Arc<Room>>,
    Named(creator, id): Named,
    request: Request,
) -> Response {
    match asked::time(request).await {
        Ok(at) => answered(room.broadcaster.schedule(creator, id, at).await),
        Err(misread) => misread.into_response(),
    }
}

async fn pause(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.pause(creator, id).await)
}

async fn resume(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.resume(creator, id).await)
}

async fn cancel(State(room): State<Arc<Room>>, Named(creator, id): Named) -> Response {
    answered(room.broadcaster.cancel(creator, id).await)
}

fn answered(result: Result<impl Serialize, BroadcastError>) -> Response {
    match result {
        Ok(told) => ask::json(StatusCode::OK, &told),
        Err(error) => answer::refused(&error),
    }
}

/// Which part of a list is asked for, of `most` items at most.
fn page(part: Result<Query<Part>, QueryRejection>, most: u64) -> Result<PageRequest, ask::Refusal> {
    let Ok(Query(part)) = part else {
        let shape = "the query may have limit, a whole number, and after, which is next of the answer before";
        return Err(ask::Refusal::Bad(shape.to_owned()));
    };
    let limit = ask::within("limit", part.limit, PAGE, 1..=most)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(match part.after {
        None => PageRequest::first(limit),
        Some(after) => PageRequest::after(limit, Cursor::new(after)),
    })
}
