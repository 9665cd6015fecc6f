//! A creator as a row: the keys as columns, everything else as JSON.

use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::store::StoreError;
use uuid::Uuid;

use super::{CorruptField, rejected};

#[derive(Clone)]
pub(crate) struct CreatorRow {
    pub(crate) creator: Uuid,
    pub(crate) account: Option<Uuid>,
    pub(crate) profile: String,
}

impl CreatorRow {
    pub(crate) fn from_domain(creator: &Creator) -> Result<Self, StoreError> {
        Ok(Self {
            creator: creator.id.as_uuid(),
            account: creator.account.map(|account| account.as_uuid()),
            profile: serde_json::to_string(creator)
                .map_err(|_| rejected("creator", "does not serialize"))?,
        })
    }

    pub(crate) fn into_domain(self) -> Result<Creator, CorruptField> {
        let creator: Creator = serde_json::from_str(&self.profile)
            .map_err(|_| CorruptField::new("creators", "profile", "a creator"))?;
        let same = creator.id.as_uuid() == self.creator
            && creator.account.map(|account| account.as_uuid()) == self.account;
        if same {
            Ok(creator)
        } else {
            Err(CorruptField::new(
                "creators",
                "profile",
                "the creator of its row",
            ))
        }
    }
}
