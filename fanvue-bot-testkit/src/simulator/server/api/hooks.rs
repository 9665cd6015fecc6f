//! Webhook subscriptions made through the API.

use serde_json::json;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::ApiError;

pub(super) const ROUTES: &[Route] = &[
    Route::new("POST", "/webhooks/subscriptions", &[], create).body(&["url", "events"]),
    Route::new("GET", "/webhooks/subscriptions", &[], list),
    Route::new(
        "DELETE",
        "/webhooks/subscriptions/{subscription}",
        &[],
        delete,
    ),
];

fn create(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let url = call.body().needed_text("url")?;
    // Fanvue wants public HTTPS; a loopback receiver is what a simulator is for.
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    if !url.starts_with("https://") && !loopback.iter().any(|start| url.starts_with(start)) {
        return Err(ApiError::invalid("url must be HTTPS"));
    }
    let events = call
        .body()
        .texts("events")?
        .ok_or_else(|| ApiError::invalid("events must be an array of strings"))?;
    let (client, user) = (call.access.client_id.clone(), call.access.user);
    let made = call.world.subscribe_webhook(&client, user, &url, &events)?;
    let view = json!({"id": made.id, "signingSecret": made.secret.expose()});
    Ok(Answer::json(201, &view))
}

fn list(call: &mut Call<'_>) -> Handled {
    let data: Vec<_> = call
        .world
        .webhook_subscriptions(&call.access.client_id, call.access.user)
        .map(|s| json!({"id": s.id, "url": s.url, "events": s.events}))
        .collect();
    Ok(Answer::json(200, &json!({"data": data})))
}

fn delete(call: &mut Call<'_>) -> Handled {
    let id = call.id("subscription")?;
    let (client, user) = (call.access.client_id.clone(), call.access.user);
    call.world.unsubscribe_webhook(&client, user, id)?;
    Ok(Answer::empty(204))
}
