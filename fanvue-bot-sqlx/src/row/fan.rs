//! A fan as a row: the keys and the names as columns.

use std::sync::Arc;

use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{ConversationId, FanId};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct FanRow {
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "Postgres writes it once for the whole change")
    )]
    pub(crate) creator: Uuid,
    pub(crate) fan: Uuid,
    pub(crate) handle: Option<Arc<str>>,
    pub(crate) display_name: Option<Arc<str>>,
    pub(crate) nickname: Option<Arc<str>>,
}

impl FanRow {
    pub(crate) fn from_domain(conversation: ConversationId, profile: &FanProfile) -> Self {
        Self {
            creator: conversation.creator.as_uuid(),
            fan: conversation.fan.as_uuid(),
            handle: profile.handle.clone(),
            display_name: profile.display_name.clone(),
            nickname: profile.nickname.clone(),
        }
    }

    pub(crate) fn into_domain(self) -> FanProfile {
        let mut profile = FanProfile::new(FanId::from_uuid(self.fan));
        profile.handle = self.handle;
        profile.display_name = self.display_name;
        profile.nickname = self.nickname;
        profile
    }

    /// What is known after `self` and then `newer` were written.
    #[cfg(feature = "sqlite")]
    pub(crate) fn merged(self, newer: &Self) -> Self {
        Self {
            handle: newer.handle.clone().or(self.handle),
            display_name: newer.display_name.clone().or(self.display_name),
            nickname: newer.nickname.clone().or(self.nickname),
            ..self
        }
    }
}
