//! A message of a chat.

use std::sync::Arc;

use fanvue_bot_core::client::RemoteMessage;
use fanvue_bot_core::id::{AccountId, MediaId, MessageId};
use fanvue_bot_core::message::{Content, MessageType};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Label, Loose, Time, Whole};

/// Both families; `gif` is v1's, and its shape is unknown.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MessageWire {
    uuid: Loose<MessageId>,
    text: Loose<String>,
    sent_at: Loose<Time>,
    sender: Loose<Sender>,
    has_media: Loose<bool>,
    media_uuids: Loose<Vec<Loose<MediaId>>>,
    gif: Option<IgnoredAny>,
    #[serde(rename = "type")]
    kind: Loose<MessageType>,
    pricing: Loose<Pricing>,
    purchased_at: Loose<Time>,
    sent_by_user_id: Loose<Label>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sender {
    uuid: Loose<AccountId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pricing {
    #[serde(rename = "USD")]
    usd: Loose<Price>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Price {
    price: Loose<Whole>,
}

impl FromAnswer for RemoteMessage {
    fn read(object: Value) -> Result<Self, &'static str> {
        let wire = MessageWire::deserialize(object).ok();
        wire.and_then(MessageWire::into_message)
            .ok_or("uuid: expected a UUID")
    }
}

impl MessageWire {
    /// The message, if it has an id.
    pub(crate) fn into_message(self) -> Option<RemoteMessage> {
        let media = self.media_uuids.items();
        let has_media =
            self.has_media.0.unwrap_or(false) || !media.is_empty() || self.gif.is_some();
        let price = self.pricing.0.and_then(|pricing| pricing.usd.0?.price.0);
        let content = Content {
            text: self.text.text().map(Arc::from),
            media,
            has_media,
            price: price.map(|cents| Cents::new(cents.0)),
            fetched: true,
        };
        let id = self.uuid.0?;
        // The constructor wants a sender and a time; both are replaced by what the wire says, if anything.
        let nobody = AccountId::from_uuid(id.as_uuid());
        let mut message = RemoteMessage::new(id, nobody, content, Timestamp::UNIX_EPOCH);
        message.sender = self.sender.0.and_then(|sender| sender.uuid.0);
        message.sent_at = self.sent_at.0.map(|time| time.0);
        message.kind = self.kind.0.unwrap_or(MessageType::Other("".into()));
        message.sent_by_user = self.sent_by_user_id.0.map(|label| label.0);
        message.purchased_at = self.purchased_at.0.map(|time| time.0);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "3e550000-0000-4000-8000-000000000009";

    fn read(body: Value) -> Option<RemoteMessage> {
        serde_json::from_value::<Loose<MessageWire>>(body)
            .unwrap()
            .0
            .and_then(MessageWire::into_message)
    }

    #[test]
    fn a_documented_message_is_read_whole() {
        let message = read(json!({
            "uuid": ID,
            "text": "are you there?",
            "sentAt": "2026-01-05T09:30:00.000Z",
            "sender": {"uuid": "fa000000-0000-4000-8000-000000000001", "handle": "fan-one"},
            "recipient": {"uuid": "c0de0000-0000-4000-8000-000000000001", "handle": "luna-example"},
            "hasMedia": true,
            "mediaType": "image",
            "mediaUuids": ["3ed10000-0000-4000-8000-000000000001"],
            "type": "SINGLE_RECIPIENT",
            "pricing": {"USD": {"price": 500.0}},
            "purchasedAt": "2026-01-05T10:00:00.000Z",
            "sentByUserId": "member-7",
            "isRead": false,
            "status": "Delivered",
            "reactions": [{"new": "field"}]
        }))
        .unwrap();
        assert_eq!(message.id, ID.parse().unwrap());
        assert_eq!(
            message.sender,
            Some("fa000000-0000-4000-8000-000000000001".parse().unwrap())
        );
        assert_eq!(message.content.text.as_deref(), Some("are you there?"));
        assert_eq!(message.content.media.len(), 1);
        assert!(message.content.has_media && message.content.fetched);
        assert_eq!(message.content.price, Some(Cents::new(500)));
        assert_eq!(message.kind, MessageType::SingleRecipient);
        assert_eq!(message.sent_by_user.as_deref(), Some("member-7"));
        assert_eq!(
            message.purchased_at,
            Some("2026-01-05T10:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn everything_but_the_id_may_be_null_absent_or_odd() {
        let nulls = json!({
            "uuid": ID, "text": null, "sentAt": null, "sender": null, "hasMedia": null,
            "mediaUuids": null, "gif": null, "type": null, "pricing": null, "purchasedAt": null,
            "sentByUserId": null
        });
        let odd = json!({
            "uuid": ID, "text": 7, "sentAt": "soon", "sender": "x", "hasMedia": "no",
            "mediaUuids": ["x", null], "type": 3, "pricing": {"USD": 5}, "purchasedAt": {},
            "sentByUserId": []
        });
        for body in [nulls, json!({ "uuid": ID }), odd] {
            let message = read(body).unwrap();
            assert_eq!(
                message.content,
                Content {
                    fetched: true,
                    ..Content::default()
                }
            );
            assert_eq!((message.sender, message.sent_at), (None, None));
            assert_eq!(message.kind.as_wire(), "");
        }
        assert!(read(json!({"text": "no id"})).is_none());
        assert!(read(json!(null)).is_none());
    }

    #[test]
    fn unknown_kinds_keep_their_name_and_a_gif_is_media() {
        let message = read(json!({"uuid": ID, "type": "HOLOGRAM", "gif": {"url": "x"}})).unwrap();
        assert_eq!(message.kind, MessageType::Other("HOLOGRAM".into()));
        assert!(message.content.has_media);
    }
}
