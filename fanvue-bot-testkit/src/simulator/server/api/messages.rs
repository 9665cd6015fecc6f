//! Messages of a chat: listing, sending, deleting.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::request::Body;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{ApiError, Message, MessageQuery, NewMessage};

const SEND: &[&str] = &[
    "text",
    "mediaUuids",
    "price",
    "templateUuid",
    "mediaPreviewUuid",
];

pub(super) const ROUTES: &[Route] = &[
    Route::new("POST", "/chats/messages/batch", &["read:chat"], batch)
        .v1_only()
        .twin()
        .body(&["chatUuids"]),
    Route::new("GET", "/chats/{fan}/messages", &["read:chat"], list)
        .twin()
        .query(&[
            "page",
            "size",
            "limit",
            "sentBefore",
            "receivedBefore",
            "markAsRead",
        ]),
    Route::new(
        "GET",
        "/chats/{fan}/messages/{message}",
        &["read:chat"],
        one,
    )
    .v1_only()
    .twin(),
    Route::new(
        "DELETE",
        "/chats/{fan}/messages/{message}",
        &["write:chat"],
        delete,
    ),
    Route::new(
        "GET",
        "/chats/{fan}/messages/{message}/media",
        &["read:chat"],
        media,
    )
    .v1_twin()
    .query(&["mediaUuids", "variants"]),
    Route::new("POST", "/chats/{fan}/message", &["write:chat"], send)
        .twin()
        .body(SEND),
    Route::new("GET", "/chats/{fan}/media", &["read:chat"], chat_media)
        .twin()
        .query(&["cursor", "mediaType", "limit"]),
];

fn list(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let mark = call.query.boolean("markAsRead")?.unwrap_or(!call.is_v1());
    let page = call.query.number("page", 1, usize::MAX)?.unwrap_or(1);
    let size = call.query.number("size", 1, 50)?;
    let body = if call.is_v1() {
        let limit = call.query.number("limit", 1, 50)?.or(size).unwrap_or(20);
        let before = match (
            call.query.moment("sentBefore")?,
            call.query.moment("receivedBefore")?,
        ) {
            (Some(sent), Some(received)) => Some(sent.min(received)),
            (sent, received) => sent.or(received),
        };
        let mut query = MessageQuery::newest(limit).skip((page - 1).saturating_mul(limit));
        query.before = before;
        let (messages, more) = call.world.list_messages(call.creator, fan, &query)?;
        let oldest = messages
            .last()
            .map(|m| m.sent_at.to_string())
            .filter(|_| more);
        json!({
            "data": call.views(fan, &messages),
            "dateFilter": oldest.map(|at| json!({"sentBefore": at, "receivedBefore": null})),
        })
    } else {
        let size = size.unwrap_or(15);
        let query = MessageQuery::newest(size).skip((page - 1).saturating_mul(size));
        let (messages, more) = call.world.list_messages(call.creator, fan, &query)?;
        json!({
            "data": call.views(fan, &messages),
            "pagination": {"page": page, "size": size, "hasMore": more},
        })
    };
    // The answer shows the state before the reading, as a list of unread messages should.
    if mark {
        call.world.read_chat(call.creator, fan, call.now);
    }
    Ok(Answer::json(200, &body))
}

impl Call<'_> {
    fn views(&self, fan: Uuid, messages: &[&Message]) -> Vec<Value> {
        messages
            .iter()
            .map(|message| self.message_view(fan, message))
            .collect()
    }

    fn message(&self, fan: Uuid) -> Result<&Message, ApiError> {
        let uuid = self.id("message")?;
        self.world
            .chat(self.creator, fan)
            .and_then(|chat| chat.message(uuid))
            .ok_or_else(|| ApiError::not_found("Message"))
    }
}

fn batch(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let fans = call
        .body()
        .uuids("chatUuids")?
        .ok_or_else(|| ApiError::invalid("chatUuids must be an array"))?;
    let mut chats = Map::new();
    for fan in fans {
        let found = call
            .world
            .list_messages(call.creator, fan, &MessageQuery::newest(20));
        let view = match found {
            Ok((messages, more)) => json!({
                "messages": call.views(fan, &messages),
                "hasMore": more,
                "oldestMessageUuid": messages.last().map(|m| m.uuid),
            }),
            Err(_) => json!({"error": "not_found"}),
        };
        chats.insert(fan.to_string(), view);
    }
    Ok(Answer::json(200, &json!({"byChat": chats})))
}

fn one(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let view = call.message_view(fan, call.message(fan)?);
    Ok(Answer::json(200, &view))
}

fn delete(call: &mut Call<'_>) -> Handled {
    let (fan, message) = (call.id("fan")?, call.id("message")?);
    call.world
        .delete_message(call.creator, fan, message, call.now)?;
    Ok(Answer::empty(204))
}

/// Reads the body of a send; single and mass messages share it.
pub(super) fn new_message(body: Body<'_>) -> Result<NewMessage, ApiError> {
    Ok(NewMessage {
        text: body.text("text")?,
        media: body.uuids("mediaUuids")?.unwrap_or_default(),
        price: body.number("price")?,
        preview: body.uuid("mediaPreviewUuid")?,
        template: body.uuid("templateUuid")?,
    })
}

fn send(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    call.read_body()?;
    let message = new_message(call.body())?;
    let uuid = call
        .world
        .send_message(call.creator, fan, message, call.now)?;
    Ok(Answer::json(201, &json!({"messageUuid": uuid})))
}

fn media(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let asked = call.query.uuids("mediaUuids", 20)?;
    let message = call.message(fan)?;
    let mut results = Map::new();
    let mut errors = Vec::new();
    for uuid in asked.unwrap_or_else(|| message.media.clone()) {
        if !message.media.contains(&uuid) {
            let error = json!({"mediaUuid": uuid, "code": "NOT_FOUND", "message": "Not found"});
            errors.push(error);
            continue;
        }
        let view = call.world.media(uuid).map(|media| {
            json!({
                "uuid": uuid,
                "messageUuid": message.uuid,
                "mediaType": media.media_type.as_str(),
                "name": media.name,
                "variants": call.variants(uuid).unwrap_or_else(|| json!([])),
            })
        });
        results.insert(uuid.to_string(), json!(view));
    }
    Ok(Answer::json(
        200,
        &json!({"results": results, "errors": errors}),
    ))
}

fn chat_media(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let chat = call
        .world
        .chat(call.creator, fan)
        .ok_or_else(|| ApiError::not_found("Chat"))?;
    let kind = call.query.get("mediaType");
    let items: Vec<Value> = chat
        .visible()
        .rev()
        .flat_map(|message| message.media.iter().map(move |uuid| (message, *uuid)))
        .map(|(message, uuid)| {
            let media = call.world.media(uuid);
            json!({
                "uuid": uuid,
                "messageUuid": message.uuid,
                "mediaType": media.map_or("unknown", |m| m.media_type.as_str()),
                "created_at": media.map(|m| m.created_at.to_string()),
                "sentAt": message.sent_at.to_string(),
                "ownerUuid": if message.from_fan() { fan } else { call.creator },
                "name": media.and_then(|m| m.name.clone()),
                "variants": call.variants(uuid).unwrap_or_else(|| json!([])),
            })
        })
        .filter(|item| kind.is_none_or(|kind| item["mediaType"] == kind))
        .collect();
    call.cursor_list(&items, None, Value::clone)
}
