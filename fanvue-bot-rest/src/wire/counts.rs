//! How much is unread.

use fanvue_bot_core::client::UnreadCounts;
use serde::Deserialize;

use super::loose::{Loose, Whole};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CountsWire {
    unread_chats_count: Loose<Whole>,
    unread_messages_count: Loose<Whole>,
}

impl CountsWire {
    /// The counts, if there is one at all.
    pub(crate) fn into_counts(self) -> Option<UnreadCounts> {
        let chats = self.unread_chats_count.0.map(Whole::count);
        let messages = self.unread_messages_count.0.map(Whole::count);
        (chats.is_some() || messages.is_some()).then(|| UnreadCounts {
            chats: chats.unwrap_or_default(),
            messages: messages.unwrap_or_default(),
        })
    }
}
