//! Chats: listing, opening, changing, counting.

use serde_json::{Map, Value, json};

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::request;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{
    ApiError, AutomatedTrigger, ChatFilter, ChatPatch, ChatQuery, ChatSort, SmartList, Typing,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/chats", &["read:chat"], list)
        .twin()
        .query(&[
            "page",
            "size",
            "cursor",
            "filter",
            "smartListIds",
            "customListId",
            "search",
            "sortBy",
        ]),
    Route::new("POST", "/chats", &["write:chat"], open)
        .twin()
        .body(&["userUuid"]),
    Route::new("GET", "/chats/unread", &["read:chat"], unread),
    Route::new("POST", "/chats/statuses", &["read:chat"], statuses).body(&["userUuids"]),
    Route::new("GET", "/chats/templates", &["read:chat"], templates).query(&[
        "page",
        "size",
        "folderName",
    ]),
    Route::new(
        "GET",
        "/chats/templates/{template}",
        &["read:chat"],
        template,
    ),
    Route::new(
        "GET",
        "/chats/automated-messages",
        &["read:chat"],
        automated,
    ),
    Route::new(
        "PUT",
        "/chats/automated-messages/{trigger}",
        &["write:chat"],
        set_automated,
    )
    .body(&["enabled", "text", "price"]),
    Route::new(
        "DELETE",
        "/chats/automated-messages/{trigger}",
        &["write:chat"],
        end_automated,
    ),
    Route::new("GET", "/chats/{fan}", &["read:chat"], one)
        .v1_only()
        .twin(),
    Route::new("PATCH", "/chats/{fan}", &["write:chat"], patch)
        .twin()
        .body(&["isRead", "isMuted", "nickname"]),
    Route::new("POST", "/chats/{fan}/typing", &["write:chat"], typing)
        .v1_twin()
        .body(&["isTyping"]),
];

fn list(call: &mut Call<'_>) -> Handled {
    let mut query = ChatQuery::default();
    for word in call.query.all("filter") {
        let filter = ChatFilter::parse(word)
            .ok_or_else(|| ApiError::invalid(format!("filter must be a known filter: {word}")))?;
        let for_creators = !matches!(
            filter,
            ChatFilter::Unread
                | ChatFilter::Online
                | ChatFilter::SubscribedTo
                | ChatFilter::NotMuted
        );
        if for_creators
            && call
                .world
                .creator(call.creator)
                .is_some_and(|c| c.is_agency())
        {
            return Err(ApiError::Forbidden(format!(
                "filter {word} is for creators only"
            )));
        }
        query.filters.push(filter);
    }
    for word in call.query.all("smartListIds") {
        query
            .smart_lists
            .push(SmartList::parse(word).ok_or_else(|| {
                ApiError::invalid(format!("smartListIds must be known lists: {word}"))
            })?);
    }
    query.custom_list = call.query.uuid("customListId")?;
    query.search = call.query.get("search").map(str::to_owned);
    if query
        .search
        .as_ref()
        .is_some_and(|text| text.chars().count() > 100)
    {
        return Err(ApiError::invalid("search must be at most 100 characters"));
    }
    if let Some(word) = call.query.get("sortBy") {
        query.sort = ChatSort::parse(word)
            .ok_or_else(|| ApiError::invalid("sortBy must be a known order"))?;
    }
    let chats = call.world.list_chats(call.creator, &query, call.now)?;
    call.list(&chats, Some(Some(chats.len())), |(fan, chat)| {
        call.chat_view(*fan, chat)
    })
}

fn open(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let fan = call
        .body()
        .uuid("userUuid")?
        .ok_or_else(|| ApiError::invalid("userUuid must be a UUID"))?;
    call.world.open_chat(call.creator, fan, call.now)?;
    Ok(Answer::json(
        201,
        &json!({"message": "Chat created successfully"}),
    ))
}

fn unread(call: &mut Call<'_>) -> Handled {
    let unread: Vec<u64> = call
        .world
        .chats_of(call.creator)
        .map(|(_, chat)| chat.unread)
        .filter(|n| *n > 0)
        .collect();
    let tips = call
        .world
        .payments_of(call.creator)
        .filter(|p| p.source == "tip")
        .count();
    let view = json!({
        "unreadChatsCount": unread.len(),
        "unreadMessagesCount": unread.iter().sum::<u64>(),
        "unreadNotifications": {
            "newFollower": 0,
            "newPostComment": 0,
            "newPostLike": 0,
            "newPurchase": 0,
            "newSubscriber": 0,
            "newTip": tips,
            "newPromotion": 0,
        },
    });
    Ok(Answer::json(200, &view))
}

fn statuses(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let users = call
        .body()
        .uuids("userUuids")?
        .ok_or_else(|| ApiError::invalid("userUuids must be an array"))?;
    if users.is_empty() || users.len() > 100 {
        return Err(ApiError::invalid("userUuids must have 1 to 100 items"));
    }
    let statuses: Map<String, Value> = users
        .into_iter()
        .map(|uuid| {
            let fan = call.world.fan(uuid).filter(|fan| !fan.hides_presence);
            let status = json!({
                "isOnline": fan.is_some_and(|f| f.online),
                "lastSeenAt": fan.and_then(|f| f.last_seen_at).map(|at| at.to_string()),
            });
            (uuid.to_string(), status)
        })
        .collect();
    Ok(Answer::json(200, &Value::Object(statuses)))
}

fn one(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let chat = call
        .world
        .chat(call.creator, fan)
        .ok_or_else(|| ApiError::not_found("Chat"))?;
    Ok(Answer::json(200, &call.chat_view(fan, chat)))
}

fn patch(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    call.read_body()?;
    let body = call.body();
    let nickname = if body.0.contains_key("nickname") {
        Some(body.text("nickname")?)
    } else {
        None
    };
    let patch = ChatPatch {
        is_read: body.boolean("isRead")?,
        is_muted: body.boolean("isMuted")?,
        nickname,
    };
    call.world.patch_chat(call.creator, fan, patch, call.now)?;
    Ok(Answer::empty(204))
}

fn typing(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    let mut typing = Typing::Started;
    if !call.raw_body.is_empty() {
        call.read_body()?;
        if call.body().boolean("isTyping")? == Some(false) {
            typing = Typing::Stopped;
        }
    }
    call.world.typing(call.creator, fan, typing)?;
    Ok(Answer::empty(204))
}

fn template_view(template: &crate::simulator::world::Template) -> Value {
    json!({
        "uuid": template.uuid,
        "text": template.text,
        "price": template.price,
        "mediaUuids": template.media,
        "folderName": template.folder,
    })
}

fn templates(call: &mut Call<'_>) -> Handled {
    let part = call.query.get("folderName").unwrap_or_default();
    let templates: Vec<_> = call
        .world
        .creator(call.creator)
        .into_iter()
        .flat_map(|account| &account.templates)
        .filter(|t| t.folder.as_deref().unwrap_or_default().contains(part))
        .collect();
    call.list(&templates, None, |template| template_view(template))
}

fn template(call: &mut Call<'_>) -> Handled {
    let uuid = request::uuid("template", call.part("template"))?;
    call.world
        .creator(call.creator)
        .and_then(|account| account.templates.iter().find(|t| t.uuid == uuid))
        .map(|template| Answer::json(200, &template_view(template)))
        .ok_or_else(|| ApiError::not_found("Template"))
}

fn automated(call: &mut Call<'_>) -> Handled {
    let account = call
        .world
        .creator(call.creator)
        .ok_or_else(|| ApiError::not_found("Creator"))?;
    let data: Vec<Value> = AutomatedTrigger::ALL
        .into_iter()
        .map(|trigger| {
            let text = account.automated.get(&trigger);
            json!({
                "trigger": trigger.as_str(),
                "enabled": text.is_some(),
                "text": text,
                "price": null,
            })
        })
        .collect();
    Ok(Answer::json(200, &json!({"data": data})))
}

fn trigger(call: &Call<'_>) -> Result<AutomatedTrigger, ApiError> {
    AutomatedTrigger::parse(call.part("trigger"))
        .ok_or_else(|| ApiError::invalid("trigger must be a known trigger"))
}

fn set_automated(call: &mut Call<'_>) -> Handled {
    let trigger = trigger(call)?;
    call.read_body()?;
    let enabled = call.body().boolean("enabled")?.unwrap_or(true);
    let text = call.body().needed_text("text")?;
    if let Some(account) = call.world.creator_mut(call.creator) {
        if enabled {
            account.automated.insert(trigger, text);
        } else {
            account.automated.remove(&trigger);
        }
    }
    Ok(Answer::empty(204))
}

fn end_automated(call: &mut Call<'_>) -> Handled {
    let trigger = trigger(call)?;
    if let Some(account) = call.world.creator_mut(call.creator) {
        account.automated.remove(&trigger);
    }
    Ok(Answer::empty(204))
}
