//! Smart lists, custom lists, mass messages.

use serde_json::{Value, json};

use super::messages::new_message;
use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::request::Body;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{ApiError, CustomList, MassMessage, NewMassMessage, SmartList};

const READ: &[&str] = &["read:chat", "read:fan"];
const WRITE: &[&str] = &["write:chat"];
const MASS: &[&str] = &["write:chat", "read:fan"];
const PAGE: &[&str] = &["page", "size", "cursor"];

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/chats/lists/smart", READ, smart).twin(),
    Route::new("GET", "/chats/lists/smart/{list}", READ, smart_members)
        .twin()
        .query(PAGE),
    Route::new("GET", "/chats/lists/custom", READ, custom)
        .twin()
        .query(&["page", "size", "cursor", "search"]),
    Route::new("POST", "/chats/lists/custom", WRITE, create).body(&["name"]),
    Route::new("GET", "/chats/lists/custom/{list}", READ, members)
        .twin()
        .query(PAGE),
    Route::new("PATCH", "/chats/lists/custom/{list}", WRITE, rename).body(&["name"]),
    Route::new("DELETE", "/chats/lists/custom/{list}", WRITE, delete),
    Route::new("POST", "/chats/lists/custom/{list}/members", WRITE, add).body(&["userUuids"]),
    Route::new(
        "DELETE",
        "/chats/lists/custom/{list}/members/{fan}",
        WRITE,
        remove,
    ),
    Route::new("POST", "/chats/mass-messages", MASS, send_mass)
        .twin()
        .body(&[
            "text",
            "mediaUuids",
            "price",
            "includedLists",
            "excludedLists",
            "scheduledAt",
            "mediaPreviewUuid",
        ]),
    Route::new("GET", "/chats/mass-messages", &["read:chat"], list_mass).query(PAGE),
    Route::new("DELETE", "/chats/mass-messages/{mass}", WRITE, cancel_mass),
];

fn smart(call: &mut Call<'_>) -> Handled {
    let lists: Vec<Value> = SmartList::ALL
        .iter()
        .filter(|list| call.is_v1() || list.in_legacy())
        .map(|list| {
            let count = call.world.smart_list(call.creator, *list).len();
            json!({"name": list.title(), "uuid": list.as_str(), "count": count})
        })
        .collect();
    Ok(Answer::json(200, &Value::Array(lists)))
}

fn smart_members(call: &mut Call<'_>) -> Handled {
    let list = SmartList::parse(call.part("list"))
        .filter(|list| call.is_v1() || list.in_legacy())
        .ok_or_else(|| ApiError::not_found("List"))?;
    let members = call.world.smart_list(call.creator, list);
    call.list(&members, Some(None), |fan| call.member_view(*fan))
}

fn list_view(list: &CustomList) -> Value {
    json!({
        "uuid": list.uuid,
        "name": list.name,
        "membersCount": list.members.len(),
        "createdAt": list.created_at.to_string(),
    })
}

fn custom(call: &mut Call<'_>) -> Handled {
    let search = call.query.get("search").unwrap_or_default().to_lowercase();
    let lists: Vec<&CustomList> = call
        .world
        .creator(call.creator)
        .into_iter()
        .flat_map(|account| account.custom_lists.values())
        .filter(|list| list.name.to_lowercase().contains(&search))
        .collect();
    call.list(&lists, None, |list| list_view(list))
}

impl Call<'_> {
    fn custom_list(&self) -> Result<&CustomList, ApiError> {
        let uuid = self.id("list")?;
        self.world
            .creator(self.creator)
            .and_then(|account| account.custom_lists.get(&uuid))
            .ok_or_else(|| ApiError::not_found("List"))
    }
}

fn create(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let name = call.body().needed_text("name")?;
    let uuid = call.world.create_list(call.creator, &name, call.now)?;
    let view = json!({"uuid": uuid, "name": name, "createdAt": call.now.to_string()});
    Ok(Answer::json(201, &view))
}

fn members(call: &mut Call<'_>) -> Handled {
    let members: Vec<_> = call.custom_list()?.members.iter().copied().collect();
    call.list(&members, Some(Some(members.len())), |fan| {
        call.member_view(*fan)
    })
}

fn rename(call: &mut Call<'_>) -> Handled {
    let uuid = call.id("list")?;
    call.read_body()?;
    let name = call.body().needed_text("name")?;
    call.world.rename_list(call.creator, uuid, &name)?;
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Handled {
    let uuid = call.id("list")?;
    call.world.delete_list(call.creator, uuid)?;
    Ok(Answer::empty(204))
}

fn add(call: &mut Call<'_>) -> Handled {
    let uuid = call.id("list")?;
    call.read_body()?;
    let fans = call
        .body()
        .uuids("userUuids")?
        .ok_or_else(|| ApiError::invalid("userUuids must be an array"))?;
    let (added, skipped) = call.world.add_list_members(call.creator, uuid, &fans)?;
    Ok(Answer::json(
        201,
        &json!({"added": added, "skipped": skipped}),
    ))
}

fn remove(call: &mut Call<'_>) -> Handled {
    let (list, fan) = (call.id("list")?, call.id("fan")?);
    call.world.remove_list_member(call.creator, list, fan)?;
    Ok(Answer::empty(204))
}

fn mass_view(mass: &MassMessage) -> Value {
    json!({
        "id": mass.id,
        "recipientCount": mass.recipients.len(),
        "createdAt": mass.created_at.to_string(),
        "scheduledAt": mass.scheduled_at.map(|at| at.to_string()),
        "sentAt": mass.sent_at.map(|at| at.to_string()),
    })
}

fn smart_lists(body: Body<'_>) -> Result<Vec<SmartList>, ApiError> {
    body.texts("smartListUuids")?
        .unwrap_or_default()
        .iter()
        .map(|word| {
            SmartList::parse(word)
                .ok_or_else(|| ApiError::invalid(format!("smartListUuids must be known: {word}")))
        })
        .collect()
}

fn send_mass(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let body = call.body();
    let included = body
        .object("includedLists")?
        .ok_or_else(|| ApiError::invalid("includedLists must be an object"))?;
    let excluded = body.object("excludedLists")?;
    let mass = NewMassMessage {
        message: new_message(body)?,
        smart_lists: smart_lists(included)?,
        custom_lists: included.uuids("customListUuids")?.unwrap_or_default(),
        excluded_custom_lists: match excluded {
            Some(lists) => lists.uuids("customListUuids")?.unwrap_or_default(),
            None => Vec::new(),
        },
        scheduled_at: body.moment("scheduledAt")?,
    };
    if mass.smart_lists.is_empty() && mass.custom_lists.is_empty() {
        return Err(ApiError::invalid(
            "includedLists must name at least one list",
        ));
    }
    let view = mass_view(call.world.send_mass_message(call.creator, mass, call.now)?);
    Ok(Answer::json(201, &view))
}

fn list_mass(call: &mut Call<'_>) -> Handled {
    let masses: Vec<_> = call.world.mass_messages(call.creator).rev().collect();
    call.list(&masses, None, |mass| mass_view(mass))
}

fn cancel_mass(call: &mut Call<'_>) -> Handled {
    let id = call.id("mass")?;
    call.world.cancel_mass_message(call.creator, id)?;
    Ok(Answer::empty(204))
}
