//! Media, vault folders, templates.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::listing::words;
use super::lists::check_name;
use super::time::Moment;

words! {
    /// What a medium is.
    MediaType {
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// A sound.
        Audio = "audio",
        /// A file.
        Document = "document",
    }
}

words! {
    /// How far Fanvue is with a medium.
    MediaStatus {
        /// Upload begun.
        Created = "created",
        /// Being converted.
        Processing = "processing",
        /// Can be sent.
        Ready = "ready",
        /// Could not be converted.
        Error = "error",
    }
}

/// A medium in a creator's vault.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Media {
    /// Its uuid.
    pub uuid: Uuid,
    /// Whose it is.
    pub creator: Uuid,
    /// What it is.
    pub media_type: MediaType,
    /// How far it is.
    pub status: MediaStatus,
    /// The creator's name for it.
    pub name: Option<String>,
    /// Text shown with it.
    pub caption: Option<String>,
    /// What is to be seen, in words.
    pub description: Option<String>,
    /// Price proposed, in cents.
    pub recommended_price: Option<u64>,
    /// When it was uploaded.
    pub created_at: Moment,
    /// The fans who bought it.
    pub purchased_by: BTreeSet<Uuid>,
}

impl Media {
    /// Whether it can be sent.
    pub fn is_ready(&self) -> bool {
        self.status == MediaStatus::Ready
    }
}

/// A folder of the vault. Its name is its key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Folder {
    /// When it was made.
    pub created_at: Moment,
    /// The media in it.
    pub media: BTreeSet<Uuid>,
}

/// A message template.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Template {
    /// Its uuid.
    pub uuid: Uuid,
    /// The words.
    pub text: Option<String>,
    /// Price in cents.
    pub price: Option<u64>,
    /// Media sent with it.
    pub media: Vec<Uuid>,
    /// The folder that it is kept in.
    pub folder: Option<String>,
}

impl World {
    /// Puts a medium that is ready into a creator's vault.
    pub fn add_media(&mut self, creator: Uuid, media_type: MediaType, now: Moment) -> Uuid {
        let uuid = self.rng.uuid();
        self.media.insert(
            uuid,
            Media {
                uuid,
                creator,
                media_type,
                status: MediaStatus::Ready,
                name: None,
                caption: None,
                description: None,
                recommended_price: None,
                created_at: now,
                purchased_by: BTreeSet::new(),
            },
        );
        uuid
    }

    /// A medium.
    pub fn media(&self, uuid: Uuid) -> Option<&Media> {
        self.media.get(&uuid)
    }

    /// A medium, to be changed.
    pub fn media_mut(&mut self, uuid: Uuid) -> Option<&mut Media> {
        self.media.get_mut(&uuid)
    }

    /// The media of a creator, by uuid.
    pub fn media_of(&self, creator: Uuid) -> impl Iterator<Item = &Media> {
        self.media
            .values()
            .filter(move |media| media.creator == creator)
    }

    /// Deletes a medium of a creator.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn delete_media(&mut self, creator: Uuid, uuid: Uuid) -> Result<(), ApiError> {
        if self
            .media
            .get(&uuid)
            .is_none_or(|media| media.creator != creator)
        {
            return Err(ApiError::not_found("Media"));
        }
        self.media.remove(&uuid);
        if let Some(account) = self.creators.get_mut(&creator) {
            for folder in account.folders.values_mut() {
                folder.media.remove(&uuid);
            }
        }
        Ok(())
    }

    /// Adds a message template.
    pub fn add_template(
        &mut self,
        creator: Uuid,
        text: Option<&str>,
        folder: Option<&str>,
    ) -> Uuid {
        let uuid = self.rng.uuid();
        if let Some(account) = self.creators.get_mut(&creator) {
            account.templates.push(Template {
                uuid,
                text: text.map(str::to_owned),
                price: None,
                media: Vec::new(),
                folder: folder.map(str::to_owned),
            });
        }
        uuid
    }

    /// `POST /vault/folders`.
    ///
    /// # Errors
    ///
    /// `Conflict` if the name is taken, `Validation` if it is empty.
    pub fn create_folder(
        &mut self,
        creator: Uuid,
        name: &str,
        now: Moment,
    ) -> Result<(), ApiError> {
        check_name(name)?;
        let folders = self.folders(creator)?;
        if folders.contains_key(name) {
            return Err(ApiError::Conflict(
                "A folder with this name exists".to_owned(),
            ));
        }
        folders.insert(
            name.to_owned(),
            Folder {
                created_at: now,
                media: BTreeSet::new(),
            },
        );
        Ok(())
    }

    /// `PATCH /vault/folders/{name}`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict` if the new name is taken, `Validation` if it is empty.
    pub fn rename_folder(&mut self, creator: Uuid, name: &str, to: &str) -> Result<(), ApiError> {
        check_name(to)?;
        let folders = self.folders(creator)?;
        if !folders.contains_key(name) {
            return Err(ApiError::not_found("Folder"));
        }
        if name != to && folders.contains_key(to) {
            return Err(ApiError::Conflict(
                "A folder with this name exists".to_owned(),
            ));
        }
        if let Some(folder) = folders.remove(name) {
            folders.insert(to.to_owned(), folder);
        }
        Ok(())
    }

    /// `DELETE /vault/folders/{name}`. The media stay.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn delete_folder(&mut self, creator: Uuid, name: &str) -> Result<(), ApiError> {
        self.folders(creator)?
            .remove(name)
            .map(|_| ())
            .ok_or_else(|| ApiError::not_found("Folder"))
    }

    /// `POST /vault/folders/{name}/media`: how many were new to the folder.
    ///
    /// # Errors
    ///
    /// `NotFound` for the folder, `Validation` for media that are not the creator's.
    pub fn add_to_folder(
        &mut self,
        creator: Uuid,
        name: &str,
        media: &[Uuid],
    ) -> Result<u64, ApiError> {
        for uuid in media {
            if self
                .media
                .get(uuid)
                .is_none_or(|media| media.creator != creator)
            {
                return Err(ApiError::invalid(format!(
                    "mediaUuids must name own media: {uuid}"
                )));
            }
        }
        let folder = self
            .folders(creator)?
            .get_mut(name)
            .ok_or_else(|| ApiError::not_found("Folder"))?;
        Ok(media
            .iter()
            .map(|uuid| u64::from(folder.media.insert(*uuid)))
            .sum())
    }

    /// `DELETE /vault/folders/{name}/media/{uuid}`.
    ///
    /// # Errors
    ///
    /// `NotFound` for the folder or the medium in it.
    pub fn remove_from_folder(
        &mut self,
        creator: Uuid,
        name: &str,
        media: Uuid,
    ) -> Result<(), ApiError> {
        let removed = self
            .folders(creator)?
            .get_mut(name)
            .is_some_and(|folder| folder.media.remove(&media));
        if removed {
            Ok(())
        } else {
            Err(ApiError::not_found("Folder media"))
        }
    }

    fn folders(
        &mut self,
        creator: Uuid,
    ) -> Result<&mut std::collections::BTreeMap<String, Folder>, ApiError> {
        self.creators
            .get_mut(&creator)
            .map(|account| &mut account.folders)
            .ok_or_else(|| ApiError::not_found("Creator"))
    }
}
