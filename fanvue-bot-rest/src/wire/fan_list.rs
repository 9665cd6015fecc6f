//! Lists of fans, and who is in them.

use fanvue_bot_core::client::CustomList;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{FanId, ListId};
use serde::Deserialize;

use super::loose::{Loose, Whole};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CustomListWire {
    uuid: Loose<ListId>,
    name: Loose<String>,
    members_count: Loose<Whole>,
}

impl CustomListWire {
    pub(crate) fn into_list(self) -> Option<CustomList> {
        Some(CustomList {
            id: self.uuid.0?,
            name: self.name.0.unwrap_or_default(),
            members: self.members_count.0.map(Whole::count),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MemberWire {
    uuid: Loose<FanId>,
    handle: Loose<String>,
    display_name: Loose<String>,
}

impl MemberWire {
    pub(crate) fn into_fan(self) -> Option<FanProfile> {
        let mut fan = FanProfile::new(self.uuid.0?);
        fan.handle = self.handle.text().map(Into::into);
        fan.display_name = self.display_name.text().map(Into::into);
        Some(fan)
    }
}
