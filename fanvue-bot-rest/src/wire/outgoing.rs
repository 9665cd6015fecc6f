//! What is sent, and the answers to it.

use fanvue_bot_core::client::OutgoingMessage;
use fanvue_bot_core::id::{FanId, MediaId, MessageId};
use fanvue_bot_core::money::Cents;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FromAnswer;

/// The longest text, in characters.
const MAX_TEXT: usize = 5_000;
/// The lowest price of media.
const MIN_PRICE: Cents = Cents::new(300);

/// A message to send. Absent fields are left out: Fanvue refuses empty texts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutgoingWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    media_uuids: &'a [MediaId],
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Cents>,
}

impl<'a> OutgoingWire<'a> {
    /// The body, or why Fanvue would refuse it.
    pub(crate) fn new(message: &'a OutgoingMessage) -> Result<Self, &'static str> {
        let text = message.text.as_deref().filter(|text| !text.is_empty());
        let media = message.media.as_slice();
        if text.is_none() && media.is_empty() {
            return Err("a message needs text or media");
        }
        if text.is_some_and(|text| text.chars().nth(MAX_TEXT).is_some()) {
            return Err("a message's text has at most 5000 characters");
        }
        if message.price.is_some() && media.is_empty() {
            return Err("a price needs media");
        }
        if message.price.is_some_and(|price| price < MIN_PRICE) {
            return Err("a price is at least 300 cents");
        }
        Ok(Self {
            text,
            media_uuids: media,
            price: message.price,
        })
    }
}

/// The answer to a sent message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    message_uuid: MessageId,
}

impl FromAnswer for MessageId {
    fn read(object: Value) -> Result<Self, &'static str> {
        Sent::deserialize(object)
            .map(|sent| sent.message_uuid)
            .map_err(|_| "messageUuid: expected a UUID")
    }
}

/// A chat to open.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewChat {
    pub(crate) user_uuid: FanId,
}

/// A chat to mark as read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatChange {
    pub(crate) is_read: bool,
}

/// The typing signal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypingSignal {
    pub(crate) is_typing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> MediaId {
        "3ed10000-0000-4000-8000-000000000001".parse().unwrap()
    }

    fn check(message: &OutgoingMessage, outcome: Result<&str, &str>) {
        let body = OutgoingWire::new(message).map(|wire| serde_json::to_string(&wire).unwrap());
        assert_eq!(body.as_deref().map_err(|problem| *problem), outcome);
    }

    #[test]
    fn absent_parts_are_left_out() {
        check(
            &OutgoingMessage::text("hey you"),
            Ok(r#"{"text":"hey you"}"#),
        );
        let mut message = OutgoingMessage::text("");
        message.media = vec![media()];
        message.price = Some(Cents::new(500));
        check(
            &message,
            Ok(r#"{"mediaUuids":["3ed10000-0000-4000-8000-000000000001"],"price":500}"#),
        );
    }

    #[test]
    fn what_fanvue_would_refuse_is_not_sent() {
        check(
            &OutgoingMessage::text(""),
            Err("a message needs text or media"),
        );
        let fits = OutgoingMessage::text("ä".repeat(5_000));
        assert!(OutgoingWire::new(&fits).is_ok());
        check(
            &OutgoingMessage::text("ä".repeat(5_001)),
            Err("a message's text has at most 5000 characters"),
        );
        let mut priced = OutgoingMessage::text("x");
        priced.price = Some(Cents::new(500));
        check(&priced, Err("a price needs media"));
        priced.media = vec![media()];
        priced.price = Some(Cents::new(299));
        check(&priced, Err("a price is at least 300 cents"));
    }
}
