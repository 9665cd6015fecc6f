//! Webhooks that are subscribed through Fanvue's API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use fanvue_bot_core::client::WebhookSubscription;
use fanvue_bot_core::webhook::Subscribed;
use serde::Serialize;

use super::secrets;
use super::whose::Whose;
use super::{Room, answer};
use crate::internal::ask;

#[derive(Serialize)]
struct View {
    id: String,
    url: String,
    events: Vec<String>,
}

impl From<WebhookSubscription> for View {
    fn from(subscription: WebhookSubscription) -> Self {
        Self {
            id: subscription.id.to_string(),
            url: subscription.url,
            events: subscription.events,
        }
    }
}

#[derive(Serialize)]
struct Listed {
    subscriptions: Vec<View>,
}

#[derive(Serialize)]
struct Made {
    id: String,
    /// Shown here and never again.
    secret: String,
    live: secrets::View,
    ended: usize,
}

impl From<Subscribed> for Made {
    fn from(made: Subscribed) -> Self {
        Self {
            id: made.id.to_string(),
            secret: String::from_utf8_lossy(made.secret.expose()).into_owned(),
            live: made.live.into(),
            ended: made.ended,
        }
    }
}

#[derive(Serialize)]
struct Ended {
    ended: usize,
}

pub(super) async fn list(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    let Some(subscriptions) = &room.connections.subscriptions else {
        return not_set_up();
    };
    match subscriptions.list(grant).await {
        Ok(listed) => {
            let subscriptions = listed.into_iter().map(View::from).collect();
            ask::json(StatusCode::OK, &Listed { subscriptions })
        }
        Err(error) => answer::subscribe(&error),
    }
}

pub(super) async fn subscribe(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    let Some(subscriptions) = room.connections.subscriptions.clone() else {
        return not_set_up();
    };
    // A subscription whose secret is not stored would be of no use.
    answer::to_the_end(async move {
        match subscriptions.subscribe(grant).await {
            Ok(made) => ask::json(StatusCode::CREATED, &Made::from(made)),
            Err(error) => answer::subscribe(&error),
        }
    })
    .await
}

pub(super) async fn unsubscribe(State(room): State<Arc<Room>>, Whose(grant): Whose) -> Response {
    let Some(subscriptions) = room.connections.subscriptions.clone() else {
        return not_set_up();
    };
    answer::to_the_end(async move {
        match subscriptions.unsubscribe(grant).await {
            Ok(ended) => ask::json(StatusCode::OK, &Ended { ended }),
            Err(error) => answer::subscribe(&error),
        }
    })
    .await
}

fn not_set_up() -> Response {
    ask::unknown("no webhook address is set up for subscriptions; see `Connections::subscriptions`")
}
