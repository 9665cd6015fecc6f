//! Arming what goes wrong.

use serde_json::json;

use super::input::{Input, Problem};
use super::{Answered, Context, Endpoint};
use crate::simulator::world::{RequestFault, RequestRule, Trigger, WebhookFault, WebhookRule};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/_sim/faults/requests",
        fields: &["fault", "value?", "next?", "chance?", "method?", "path?"],
        about: "arms a request fault: error_before, error_after (value: 500, 502, 503), \
                slow_before, slow_after (value: milliseconds), cut_before, cut_after, \
                unauthorized, rate_limited (value: seconds), invalid_grant; for the next \
                requests or with a chance from 0 to 1; path may hold * for anything",
        run: add_request,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/faults/webhooks",
        fields: &["fault", "value?", "next?", "chance?", "topic?"],
        about: "arms a webhook fault: duplicate, reorder, delay (value: milliseconds), drop, \
                wrong_signature, old_timestamp, without_text",
        run: add_webhook,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/faults",
        fields: &[],
        about: "lists the faults that are still armed",
        run: list,
    },
    Endpoint {
        method: "DELETE",
        path: "/_sim/faults",
        fields: &[],
        about: "disarms all faults",
        run: clear,
    },
];

fn trigger(input: &Input) -> Result<Trigger, Problem> {
    let chance = input.get("chance");
    match (input.maybe_number("next")?, chance) {
        (Some(_), Some(_)) => Err(Problem::field(
            "chance",
            "stands beside next",
            "give one of the two",
        )),
        (next, None) => {
            let next = u32::try_from(next.unwrap_or(1)).unwrap_or(u32::MAX);
            Ok(Trigger::Next(next))
        }
        (None, Some(chance)) => chance
            .as_f64()
            .filter(|chance| (0.0..=1.0).contains(chance))
            .map(Trigger::Chance)
            .ok_or_else(|| {
                Problem::field(
                    "chance",
                    "is not a probability",
                    "send a number from 0 to 1",
                )
            }),
    }
}

fn add_request(context: &mut Context<'_>, input: &Input) -> Answered {
    let status = || -> Result<u16, Problem> {
        let wrong = || {
            Problem::field(
                "value",
                "is not a server error",
                "send a status from 500 to 599",
            )
        };
        let status = u16::try_from(input.maybe_number("value")?.unwrap_or(503));
        status
            .ok()
            .filter(|status| (500..600).contains(status))
            .ok_or_else(wrong)
    };
    let fault = match input.text("fault")? {
        "error_before" => RequestFault::ErrorBefore(status()?),
        "error_after" => RequestFault::ErrorAfter(status()?),
        "slow_before" => RequestFault::SlowBefore(input.number("value")?),
        "slow_after" => RequestFault::SlowAfter(input.number("value")?),
        "cut_before" => RequestFault::CutBefore,
        "cut_after" => RequestFault::CutAfter,
        "unauthorized" => RequestFault::Unauthorized,
        "rate_limited" => RequestFault::RateLimited(input.maybe_number("value")?.unwrap_or(1)),
        "invalid_grant" => RequestFault::InvalidGrant,
        _ => {
            let fix = "use error_before, error_after, slow_before, slow_after, cut_before, \
                       cut_after, unauthorized, rate_limited or invalid_grant";
            return Err(Problem::field("fault", "is not known", fix));
        }
    };
    let mut rule = RequestRule::new(fault, trigger(input)?);
    rule.method = input.maybe_text("method")?.map(str::to_owned);
    rule.path = input.maybe_text("path")?.map(str::to_owned);
    context.platform.world.add_request_fault(rule);
    Ok(json!({}))
}

fn add_webhook(context: &mut Context<'_>, input: &Input) -> Answered {
    let fault = match input.text("fault")? {
        "duplicate" => WebhookFault::Duplicate,
        "reorder" => WebhookFault::Reorder,
        "delay" => WebhookFault::Delay(input.number("value")?),
        "drop" => WebhookFault::Drop,
        "wrong_signature" => WebhookFault::WrongSignature,
        "old_timestamp" => WebhookFault::OldTimestamp,
        "without_text" => WebhookFault::WithoutText,
        _ => {
            let fix = "use duplicate, reorder, delay, drop, wrong_signature, old_timestamp or \
                       without_text";
            return Err(Problem::field("fault", "is not known", fix));
        }
    };
    let mut rule = WebhookRule::new(fault, trigger(input)?);
    rule.topic = input.maybe_text("topic")?.map(str::to_owned);
    context.platform.world.add_webhook_fault(rule);
    Ok(json!({}))
}

fn shown(trigger: Trigger) -> serde_json::Value {
    match trigger {
        Trigger::Next(next) => json!({"next": next}),
        Trigger::Chance(chance) => json!({"chance": chance}),
    }
}

fn list(context: &mut Context<'_>, _: &Input) -> Answered {
    let world = &context.platform.world;
    let requests: Vec<_> = world
        .request_faults()
        .iter()
        .map(|rule| {
            json!({
                "fault": format!("{:?}", rule.fault),
                "trigger": shown(rule.trigger),
                "method": rule.method,
                "path": rule.path,
            })
        })
        .collect();
    let webhooks: Vec<_> = world
        .webhook_faults()
        .iter()
        .map(|rule| {
            json!({
                "fault": format!("{:?}", rule.fault),
                "trigger": shown(rule.trigger),
                "topic": rule.topic,
            })
        })
        .collect();
    Ok(json!({"requests": requests, "webhooks": webhooks}))
}

fn clear(context: &mut Context<'_>, _: &Input) -> Answered {
    context.platform.world.clear_faults();
    Ok(json!({}))
}
