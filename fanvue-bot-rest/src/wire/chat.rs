//! A chat of the list of chats.

use fanvue_bot_core::client::ChatSummary;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{FanId, MessageId};
use serde::Deserialize;

use super::loose::{Loose, Time, Whole};

/// Both families: v1 only adds fields.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ChatWire {
    last_message_at: Loose<Time>,
    is_read: Loose<bool>,
    unread_messages_count: Loose<Whole>,
    user: Loose<Partner>,
    last_message: Loose<LastMessage>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partner {
    uuid: Loose<FanId>,
    handle: Loose<String>,
    display_name: Loose<String>,
    nickname: Loose<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LastMessage {
    uuid: Loose<MessageId>,
    sent_at: Loose<Time>,
}

impl ChatWire {
    /// The chat, if it says with whom.
    pub(crate) fn into_summary(self) -> Option<ChatSummary> {
        let partner = self.user.0?;
        let mut fan = FanProfile::new(partner.uuid.0?);
        fan.handle = partner.handle.text().map(Into::into);
        fan.display_name = partner.display_name.text().map(Into::into);
        fan.nickname = partner.nickname.text().map(Into::into);
        let last = self.last_message.0.unwrap_or_default();
        let mut chat = ChatSummary::new(fan);
        chat.unread_messages = self.unread_messages_count.0.map_or(0, Whole::count);
        chat.is_read = self.is_read.0.unwrap_or(chat.unread_messages == 0);
        chat.last_message_at = self.last_message_at.0.or(last.sent_at.0).map(|time| time.0);
        chat.last_message = last.uuid.0;
        Some(chat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const FAN: &str = "fa000000-0000-4000-8000-000000000001";

    fn read(body: Value) -> Option<ChatSummary> {
        serde_json::from_value::<ChatWire>(body)
            .unwrap()
            .into_summary()
    }

    #[test]
    fn a_documented_chat_is_read_whole() {
        let chat = read(json!({
            "createdAt": "2026-01-02T08:00:00.000Z",
            "lastMessageAt": "2026-01-05T09:30:00.000Z",
            "isRead": false,
            "isMuted": false,
            "unreadMessagesCount": 2.0,
            "user": {"uuid": FAN, "handle": "fan-one", "displayName": "Fan One", "nickname": "Fanny",
                     "isTopSpender": false, "avatarUrl": null, "online": true},
            "lastMessage": {"uuid": "3e550000-0000-4000-8000-000000000009", "text": "are you there?",
                            "sentAt": "2026-01-05T09:30:00.000Z", "senderRole": "FAN"}
        }))
        .unwrap();
        assert_eq!(chat.fan.id, FAN.parse().unwrap());
        assert_eq!(chat.fan.display_name.as_deref(), Some("Fan One"));
        assert_eq!(chat.fan.nickname.as_deref(), Some("Fanny"));
        assert_eq!((chat.is_read, chat.unread_messages), (false, 2));
        assert_eq!(
            chat.last_message_at,
            Some("2026-01-05T09:30:00Z".parse().unwrap())
        );
        assert!(chat.last_message.is_some());
    }

    #[test]
    fn everything_but_the_fan_may_be_missing() {
        let bare = read(json!({"user": {"uuid": FAN}, "lastMessage": null})).unwrap();
        assert_eq!(
            bare,
            ChatSummary::new(FanProfile::new(FAN.parse().unwrap()))
        );
        let unread = read(json!({"user": {"uuid": FAN}, "unreadMessagesCount": 1})).unwrap();
        assert!(!unread.is_read);
        let sent =
            json!({"user": {"uuid": FAN}, "lastMessage": {"sentAt": "2026-01-05T09:30:00Z"}});
        assert!(read(sent).unwrap().last_message_at.is_some());
        assert!(read(json!({"user": null})).is_none());
        assert!(read(json!({"user": {"uuid": "nobody"}})).is_none());
    }
}
