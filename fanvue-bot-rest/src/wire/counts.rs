//! How much is unread.

use fanvue_bot_core::client::UnreadCounts;
use serde::Deserialize;
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Loose, Whole};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CountsWire {
    unread_chats_count: Loose<Whole>,
    unread_messages_count: Loose<Whole>,
}

impl FromAnswer for UnreadCounts {
    fn read(object: Value) -> Result<Self, &'static str> {
        let expected = "unreadChatsCount: expected a number";
        let wire = CountsWire::deserialize(object).map_err(|_| expected)?;
        let chats = wire.unread_chats_count.0.map(Whole::count);
        let messages = wire.unread_messages_count.0.map(Whole::count);
        if chats.is_none() && messages.is_none() {
            return Err(expected);
        }
        Ok(Self {
            chats: chats.unwrap_or_default(),
            messages: messages.unwrap_or_default(),
        })
    }
}
