//! Apps, tokens, consent, settings, clock.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::input::{Input, Problem};
use super::{Answered, Context, Endpoint};
use crate::simulator::server::handle;
use crate::simulator::server::shared::ConsentMode;
use crate::simulator::world::{App, PortalWebhook, SCOPES, WebhookFamily, topic};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/_sim/apps",
        fields: &[
            "clientId",
            "clientSecret",
            "redirectUris?",
            "scopes?",
            "webhookSecret?",
        ],
        about: "registers an app, or replaces the one with this client id",
        run: add_app,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/webhook",
        fields: &[
            "clientId",
            "url?",
            "families?",
            "topics?",
            "withText?",
            "hintHeaders?",
        ],
        about: "sets the webhook of an app, or removes it without url; families: current, legacy",
        run: set_webhook,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/webhook/test",
        fields: &["clientId"],
        about: "posts a sample event about nobody, as the portal's Test button does",
        run: test_webhook,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/tokens",
        fields: &["clientId", "user", "scopes?"],
        about: "issues tokens for a creator or agency without a browser; all scopes by default",
        run: tokens,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/disconnect",
        fields: &["clientId", "user"],
        about: "the creator disconnects the app: its tokens end, its webhooks stop",
        run: disconnect,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/consent",
        fields: &["mode?", "user?"],
        about: "how authorize requests end (automatic, page, deny), and who is signed in",
        run: consent,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/settings",
        fields: &[
            "accessTokenSeconds?",
            "perMinute?",
            "statusesPerMinute?",
            "webhookRetriesMs?",
        ],
        about: "changes the platform's constants",
        run: settings,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/clock",
        fields: &["advanceMs"],
        about: "moves the simulator's clock forward",
        run: clock,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/clock",
        fields: &[],
        about: "tells the simulator's time",
        run: clock,
    },
];

fn add_app(context: &mut Context<'_>, input: &Input) -> Answered {
    let mut app = App::new(input.text("clientId")?, input.text("clientSecret")?);
    app.redirect_uris = input.texts("redirectUris")?.unwrap_or_default();
    if let Some(scopes) = input.texts("scopes")? {
        app.scopes = known_scopes(scopes)?;
    }
    if let Some(secret) = input.maybe_text("webhookSecret")? {
        app.webhook_secret = secret.into();
    }
    let view = json!({"clientId": app.client_id, "webhookSecret": app.webhook_secret.expose()});
    context.platform.world.add_app(app);
    Ok(view)
}

fn known_scopes(scopes: Vec<String>) -> Result<BTreeSet<String>, Problem> {
    match scopes
        .iter()
        .find(|scope| !SCOPES.contains(&scope.as_str()))
    {
        None => Ok(scopes.into_iter().collect()),
        Some(unknown) => Err(Problem::field(
            "scopes",
            format!("holds {unknown}, which is no scope"),
            format!("use those of {}", SCOPES.join(" ")),
        )),
    }
}

fn unknown_app() -> Problem {
    Problem::field(
        "clientId",
        "is not a known app",
        "register it with POST /_sim/apps",
    )
}

fn set_webhook(context: &mut Context<'_>, input: &Input) -> Answered {
    let url = input.maybe_text("url")?;
    let mut webhook = PortalWebhook::new(url.unwrap_or_default());
    if let Some(url) = url
        && !url.starts_with("http://")
        && !url.starts_with("https://")
    {
        return Err(Problem::field(
            "url",
            "is not an address",
            "start it with http:// or https://",
        ));
    }
    if let Some(families) = input.texts("families")? {
        webhook.families.clear();
        for word in families {
            webhook.families.insert(match word.as_str() {
                "legacy" => WebhookFamily::Legacy,
                "current" => WebhookFamily::Current,
                _ => {
                    let problem = format!("holds {word}, which is no family");
                    return Err(Problem::field(
                        "families",
                        problem,
                        "use legacy and current",
                    ));
                }
            });
        }
    }
    if let Some(topics) = input.texts("topics")? {
        if let Some(unknown) = topics.iter().find(|name| topic(name).is_none()) {
            let problem = format!("holds {unknown}, which is no topic");
            return Err(Problem::field(
                "topics",
                problem,
                "use names such as message.received",
            ));
        }
        webhook.topics = Some(topics.into_iter().collect());
    }
    webhook.with_text = input.maybe_boolean("withText")?.unwrap_or(true);
    webhook.hint_headers = input.maybe_boolean("hintHeaders")?.unwrap_or(true);
    let app = context
        .platform
        .world
        .app_mut(input.text("clientId")?)
        .ok_or_else(unknown_app)?;
    app.webhook = url.map(|_| webhook);
    Ok(json!({"webhookSecret": app.webhook_secret.expose()}))
}

fn test_webhook(context: &mut Context<'_>, input: &Input) -> Answered {
    let client = input.text("clientId")?;
    let app = context.platform.world.app(client).ok_or_else(unknown_app)?;
    if app.webhook.is_none() {
        let fix = "set one with POST /_sim/webhook";
        return Err(Problem::field(
            "clientId",
            "names an app without a webhook",
            fix,
        ));
    }
    context
        .platform
        .world
        .send_test_delivery(client, context.now);
    Ok(json!({}))
}

fn tokens(context: &mut Context<'_>, input: &Input) -> Answered {
    let client = input.text("clientId")?;
    context.platform.world.app(client).ok_or_else(unknown_app)?;
    let user = input.creator("user", &context.platform.world)?;
    let scopes = match input.texts("scopes")? {
        Some(scopes) => known_scopes(scopes)?,
        None => SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let issued = context
        .platform
        .world
        .issue_tokens(client, user, &scopes, context.now)?;
    let tokens = handle::tokens(context.issuer, issued, context.now)?;
    Ok(json!({
        "access_token": tokens.access_token.expose(),
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token.as_ref().map(|token| token.expose()),
        "scope": tokens.scope,
    }))
}

fn disconnect(context: &mut Context<'_>, input: &Input) -> Answered {
    let client = input.text("clientId")?;
    context.platform.world.app(client).ok_or_else(unknown_app)?;
    let user = input.creator("user", &context.platform.world)?;
    context.platform.world.disconnect(client, user, context.now);
    Ok(json!({}))
}

fn consent(context: &mut Context<'_>, input: &Input) -> Answered {
    let mode = match input.maybe_text("mode")? {
        None => context.platform.consent,
        Some("automatic") => ConsentMode::Automatic,
        Some("page") => ConsentMode::Page,
        Some("deny") => ConsentMode::Deny,
        Some(_) => {
            return Err(Problem::field(
                "mode",
                "is not known",
                "use automatic, page or deny",
            ));
        }
    };
    let user = input.maybe_creator("user", &context.platform.world)?;
    context.platform.consent = mode;
    context.platform.signed_in = user.or(context.platform.signed_in);
    Ok(json!({"signedIn": context.platform.signed_in}))
}

fn settings(context: &mut Context<'_>, input: &Input) -> Answered {
    let seconds = input.maybe_number("accessTokenSeconds")?;
    let per_minute = input.maybe_number("perMinute")?;
    let statuses = input.maybe_number("statusesPerMinute")?;
    let wrong = || {
        Problem::field(
            "webhookRetriesMs",
            "is not a list of whole numbers",
            "send [1000, 5000]",
        )
    };
    let retries = match input.get("webhookRetriesMs") {
        None => None,
        Some(Value::Array(items)) => {
            let items: Option<Vec<u64>> = items.iter().map(Value::as_u64).collect();
            Some(items.ok_or_else(wrong)?)
        }
        Some(_) => return Err(wrong()),
    };
    let settings = context.platform.world.settings_mut();
    settings.access_token_seconds = seconds.unwrap_or(settings.access_token_seconds);
    let limits = &mut settings.rate_limits;
    limits.per_minute = per_minute.unwrap_or(limits.per_minute);
    limits.statuses_per_minute = statuses.unwrap_or(limits.statuses_per_minute);
    if let Some(retries) = retries {
        settings.webhook_retries = retries;
    }
    Ok(json!({
        "accessTokenSeconds": settings.access_token_seconds,
        "perMinute": settings.rate_limits.per_minute,
        "statusesPerMinute": settings.rate_limits.statuses_per_minute,
        "webhookRetriesMs": settings.webhook_retries,
    }))
}

/// The clock itself was moved before this runs, for it is not part of the platform.
fn clock(context: &mut Context<'_>, input: &Input) -> Answered {
    if input.get("advanceMs").is_some() {
        input.number("advanceMs")?;
    }
    Ok(json!({"now": context.now.to_string(), "unixMs": context.now.millis()}))
}
