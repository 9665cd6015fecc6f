//! Looking at what happened.

use serde_json::{Value, json};
use uuid::Uuid;

use super::input::Input;
use super::{Answered, Context, Endpoint};
use crate::simulator::world::{Message, Outcome};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "GET",
        path: "/_sim/state",
        fields: &[],
        about: "lists creators, fans and apps, without secrets",
        run: state,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/transcript",
        fields: &["creator", "fan"],
        about: "the messages of a chat, oldest first",
        run: transcript,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/messages",
        fields: &[],
        about: "every stored message, deleted ones included",
        run: messages,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/sends",
        fields: &[],
        about: "API sends counted by chat, inbound message and text; above 1 is a repeated answer",
        run: sends,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/unanswered",
        fields: &[],
        about: "chats whose newest message from a person is the fan's",
        run: unanswered,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/deliveries",
        fields: &[],
        about: "every webhook delivery with its tries",
        run: deliveries,
    },
    Endpoint {
        method: "GET",
        path: "/_sim/requests",
        fields: &[],
        about: "every request to the API and the authorization server",
        run: requests,
    },
];

fn state(context: &mut Context<'_>, _: &Input) -> Answered {
    let world = &context.platform.world;
    let creators: Vec<Value> = world
        .creators()
        .map(|c| {
            json!({
                "uuid": c.uuid,
                "handle": c.handle,
                "displayName": c.display_name,
                "manages": c.manages,
            })
        })
        .collect();
    let fans: Vec<Value> = world
        .fans()
        .map(|f| json!({"uuid": f.uuid, "handle": f.handle, "displayName": f.display_name}))
        .collect();
    let apps: Vec<Value> = world
        .apps()
        .map(|app| {
            json!({
                "clientId": app.client_id,
                "redirectUris": app.redirect_uris,
                "webhookUrl": app.webhook.as_ref().map(|webhook| &webhook.url),
            })
        })
        .collect();
    Ok(json!({
        "now": context.now.to_string(),
        "storedMessages": world.stored_messages(),
        "signedIn": context.platform.signed_in,
        "creators": creators,
        "fans": fans,
        "apps": apps,
    }))
}

fn view(creator: Uuid, fan: Uuid, message: &Message) -> Value {
    json!({
        "uuid": message.uuid,
        "creator": creator,
        "fan": fan,
        "origin": format!("{:?}", message.origin).to_lowercase(),
        "type": message.kind.as_str(),
        "text": message.text,
        "sentAt": message.sent_at.to_string(),
        "isRead": message.is_read,
        "price": message.price,
        "deletedAt": message.deleted_at.map(|at| at.to_string()),
    })
}

fn transcript(context: &mut Context<'_>, input: &Input) -> Answered {
    let world = &context.platform.world;
    let (creator, fan) = (input.creator("creator", world)?, input.fan("fan", world)?);
    let chat = world.chat(creator, fan);
    let messages: Vec<Value> = chat
        .into_iter()
        .flat_map(|c| c.visible())
        .map(|m| view(creator, fan, m))
        .collect();
    let typing = chat.map_or(0, |chat| chat.typing_signals);
    Ok(json!({"messages": messages, "typingSignals": typing}))
}

fn messages(context: &mut Context<'_>, _: &Input) -> Answered {
    let messages: Vec<Value> = context
        .platform
        .world
        .messages()
        .map(|(c, f, message)| view(c, f, message))
        .collect();
    Ok(json!({"messages": messages}))
}

fn sends(context: &mut Context<'_>, _: &Input) -> Answered {
    let sends: Vec<Value> = context
        .platform
        .world
        .sent_answers()
        .into_iter()
        .map(|sent| {
            json!({
                "creator": sent.creator,
                "fan": sent.fan,
                "inbound": sent.inbound,
                "text": sent.text,
                "count": sent.count,
            })
        })
        .collect();
    Ok(json!({"sends": sends}))
}

fn unanswered(context: &mut Context<'_>, _: &Input) -> Answered {
    let chats: Vec<Value> = context
        .platform
        .world
        .unanswered()
        .into_iter()
        .map(|(creator, fan, message)| {
            json!({"creator": creator, "fan": fan, "messageUuid": message})
        })
        .collect();
    Ok(json!({"chats": chats}))
}

fn deliveries(context: &mut Context<'_>, _: &Input) -> Answered {
    let deliveries: Vec<Value> = context
        .platform
        .world
        .deliveries()
        .iter()
        .map(|record| {
            let attempts: Vec<Value> = record
                .attempts
                .iter()
                .map(|(at, outcome)| match outcome {
                    Outcome::Answered(status) => json!({"at": at.to_string(), "status": status}),
                    Outcome::Failed(reason) => json!({"at": at.to_string(), "failed": reason}),
                })
                .collect();
            json!({
                "eventId": record.event_id,
                "clientId": record.client_id,
                "topic": record.topic,
                "creator": record.creator,
                "fan": record.fan,
                "createdAt": record.created_at.to_string(),
                "state": format!("{:?}", record.state).to_lowercase(),
                "attempts": attempts,
            })
        })
        .collect();
    Ok(json!({"deliveries": deliveries}))
}

fn requests(context: &mut Context<'_>, _: &Input) -> Answered {
    let requests: Vec<Value> = context
        .platform
        .requests
        .iter()
        .map(|record| {
            json!({
                "at": record.at.to_string(),
                "method": record.method,
                "path": record.path,
                "status": record.status,
                "executed": record.executed,
                "fault": record.fault.map(|fault| format!("{fault:?}")),
            })
        })
        .collect();
    Ok(json!({"requests": requests}))
}
