//! Media and vault folders.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{ApiError, Folder, Media, MediaStatus, MediaType};

const READ: &[&str] = &["read:media"];
const WRITE: &[&str] = &["write:media"];

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/media", READ, list).twin().query(&[
        "page",
        "size",
        "cursor",
        "mediaType",
        "folderName",
        "purchasedBy",
        "status",
        "variants",
    ]),
    Route::new("GET", "/media/{media}", READ, one)
        .twin()
        .query(&["variants", "purchasedBy"]),
    Route::new("PATCH", "/media/{media}", WRITE, patch)
        .v1_twin()
        .body(&["name", "caption", "description", "recommendedPrice"]),
    Route::new("DELETE", "/media/{media}", WRITE, delete).v1_twin(),
    Route::new("GET", "/vault/folders", READ, folders)
        .v1_twin()
        .query(&["page", "size", "cursor"]),
    Route::new("POST", "/vault/folders", WRITE, create)
        .v1_twin()
        .body(&["name"]),
    Route::new("GET", "/vault/folders/{folder}", READ, folder).v1_twin(),
    Route::new("PATCH", "/vault/folders/{folder}", WRITE, rename)
        .v1_twin()
        .body(&["name"]),
    Route::new("DELETE", "/vault/folders/{folder}", WRITE, delete_folder).v1_twin(),
    Route::new("GET", "/vault/folders/{folder}/media", READ, contents)
        .v1_twin()
        .query(&["page", "size", "cursor"]),
    Route::new("POST", "/vault/folders/{folder}/media", WRITE, add)
        .v1_twin()
        .body(&["mediaUuids"]),
    Route::new(
        "DELETE",
        "/vault/folders/{folder}/media/{media}",
        WRITE,
        remove,
    )
    .v1_twin(),
];

impl Call<'_> {
    fn medium(&self) -> Result<&Media, ApiError> {
        let uuid = self.id("media")?;
        self.world
            .media(uuid)
            .filter(|media| media.creator == self.creator)
            .ok_or_else(|| ApiError::not_found("Media"))
    }

    fn folder(&self) -> Result<(&str, &Folder), ApiError> {
        self.world
            .creator(self.creator)
            .and_then(|account| account.folders.get_key_value(self.part("folder")))
            .map(|(name, folder)| (name.as_str(), folder))
            .ok_or_else(|| ApiError::not_found("Folder"))
    }
}

fn list(call: &mut Call<'_>) -> Handled {
    let wrong = |name: &str| ApiError::invalid(format!("{name} must be a known word"));
    let kind = match call.query.get("mediaType") {
        None => None,
        Some(word) => Some(MediaType::parse(word).ok_or_else(|| wrong("mediaType"))?),
    };
    let status = match call.query.get("status") {
        None => None,
        Some(word) => Some(MediaStatus::parse(word).ok_or_else(|| wrong("status"))?),
    };
    let fan = call.query.uuid("purchasedBy")?;
    let folder = call.query.get("folderName");
    let account = call.world.creator(call.creator);
    let media: Vec<&Media> = call
        .world
        .media_of(call.creator)
        .filter(|media| kind.is_none_or(|kind| media.media_type == kind))
        .filter(|media| status.is_none_or(|status| media.status == status))
        .filter(|media| {
            folder.is_none_or(|name| {
                account
                    .and_then(|account| account.folders.get(name))
                    .is_some_and(|folder| folder.media.contains(&media.uuid))
            })
        })
        .collect();
    call.list(&media, None, |media| call.media_view(media, fan))
}

fn one(call: &mut Call<'_>) -> Handled {
    let fan = call.query.uuid("purchasedBy")?;
    Ok(Answer::json(200, &call.media_view(call.medium()?, fan)))
}

fn patch(call: &mut Call<'_>) -> Handled {
    let uuid = call.medium()?.uuid;
    call.read_body()?;
    let body = call.body();
    let (name, caption) = (body.text("name")?, body.text("caption")?);
    let (description, price) = (body.text("description")?, body.number("recommendedPrice")?);
    if let Some(media) = call.world.media_mut(uuid) {
        media.name = name.or_else(|| media.name.take());
        media.caption = caption.or_else(|| media.caption.take());
        media.description = description.or_else(|| media.description.take());
        media.recommended_price = price.or(media.recommended_price);
    }
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Handled {
    let uuid = call.id("media")?;
    call.world.delete_media(call.creator, uuid)?;
    Ok(Answer::empty(204))
}

fn folder_view(name: &str, folder: &Folder) -> Value {
    json!({
        "name": name,
        "createdAt": folder.created_at.to_string(),
        "mediaCount": folder.media.len(),
    })
}

fn folders(call: &mut Call<'_>) -> Handled {
    let folders: Vec<(&String, &Folder)> = call
        .world
        .creator(call.creator)
        .into_iter()
        .flat_map(|account| &account.folders)
        .collect();
    call.list(&folders, None, |(name, folder)| folder_view(name, folder))
}

fn create(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let name = call.body().needed_text("name")?;
    call.world.create_folder(call.creator, &name, call.now)?;
    let view = json!({"name": name, "createdAt": call.now.to_string(), "mediaCount": 0});
    Ok(Answer::json(201, &view))
}

fn folder(call: &mut Call<'_>) -> Handled {
    let (name, folder) = call.folder()?;
    Ok(Answer::json(200, &folder_view(name, folder)))
}

fn rename(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let to = call.body().needed_text("name")?;
    let name = call.part("folder").to_owned();
    call.world.rename_folder(call.creator, &name, &to)?;
    Ok(Answer::json(200, &json!({"name": to})))
}

fn delete_folder(call: &mut Call<'_>) -> Handled {
    let name = call.part("folder").to_owned();
    call.world.delete_folder(call.creator, &name)?;
    Ok(Answer::empty(204))
}

fn contents(call: &mut Call<'_>) -> Handled {
    let media: Vec<Uuid> = call.folder()?.1.media.iter().copied().collect();
    call.list(&media, None, |uuid| {
        let media = call.world.media(*uuid);
        json!({
            "uuid": uuid,
            "name": media.and_then(|m| m.name.clone()),
            "createdAt": media.map(|m| m.created_at.to_string()),
            "mediaType": media.map(|m| m.media_type.as_str()),
        })
    })
}

fn add(call: &mut Call<'_>) -> Handled {
    call.read_body()?;
    let media = call
        .body()
        .uuids("mediaUuids")?
        .ok_or_else(|| ApiError::invalid("mediaUuids must be an array"))?;
    if media.is_empty() || media.len() > 100 {
        return Err(ApiError::invalid("mediaUuids must have 1 to 100 items"));
    }
    let name = call.part("folder").to_owned();
    let added = call.world.add_to_folder(call.creator, &name, &media)?;
    Ok(Answer::json(201, &json!({"addedCount": added})))
}

fn remove(call: &mut Call<'_>) -> Handled {
    let name = call.part("folder").to_owned();
    let media = call.id("media")?;
    call.world.remove_from_folder(call.creator, &name, media)?;
    Ok(Answer::empty(204))
}
