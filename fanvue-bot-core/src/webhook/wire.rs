//! A webhook body's fields, of both families at once, as they stand in the bytes.
//!
//! Every field is optional here and a value of another type than expected is an absent one. A key that
//! occurs twice counts as its last occurrence.

use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use super::event::ParseEventError;
use super::json::{Malformed, Reader, Span};
use crate::id::AccountId;
use crate::money::Cents;
use crate::time::Timestamp;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// The top level.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) source: Source<'a>,
    pub(super) id: Option<Span>,
    pub(super) name: Option<Span>,
    pub(super) timestamp: Option<Span>,
    pub(super) data: Option<Box<Data>>,
    pub(super) recipient: Option<Span>,
    pub(super) sender: Person,
    pub(super) sender_uuid: Option<Span>,
    pub(super) counterpart: Option<Span>,
    pub(super) message: Option<Box<FlatMessage>>,
    pub(super) message_uuid: Option<Span>,
    pub(super) post_uuid: Option<Span>,
    pub(super) route_uuid: Option<Span>,
    pub(super) context: Option<Span>,
    pub(super) price: Option<Span>,
    pub(super) read_count: Option<Span>,
    pub(super) is_muted: Option<bool>,
}

/// `data` of an envelope.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) creator: Person,
    pub(super) fan: Person,
    pub(super) purchaser: Person,
    pub(super) other: Person,
    pub(super) uuid: Option<Span>,
    pub(super) id: Option<Span>,
    pub(super) sender: Option<Span>,
    pub(super) text: Text,
    pub(super) media: Media,
    pub(super) message_type: Option<Span>,
    pub(super) is_automated: Option<bool>,
    pub(super) is_muted: Option<bool>,
    pub(super) unread: Option<Span>,
    pub(super) message_uuid: Option<Span>,
    pub(super) post_uuid: Option<Span>,
    pub(super) word: Option<Span>,
    pub(super) created_at: Option<Span>,
    pub(super) happened_at: Option<Span>,
    pub(super) money: Money,
}

/// What only events about money carry.
#[derive(Debug, Default)]
pub(super) struct Money {
    pub(super) status: Option<Span>,
    pub(super) cancel_at_period_end: Option<bool>,
    pub(super) period_start: Option<Span>,
    pub(super) expires_at: Option<Span>,
    pub(super) source: Option<Span>,
    pub(super) gross: Option<Span>,
    pub(super) net: Option<Span>,
    pub(super) amount: Option<Span>,
    pub(super) currency: Option<Span>,
    pub(super) payment_id: Option<Span>,
    pub(super) payer: Person,
}

/// `message` of a flat body.
#[derive(Debug, Default)]
pub(super) struct FlatMessage {
    pub(super) uuid: Option<Span>,
    pub(super) text: Text,
    pub(super) media: Media,
    pub(super) created_at: Option<Span>,
    pub(super) message_type: Option<Span>,
}

/// A user.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Person {
    pub(super) present: bool,
    pub(super) uuid: Option<Span>,
    pub(super) handle: Option<Span>,
    pub(super) display_name: Option<Span>,
}

/// Words that may be left out, which is not the same as there being none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Text {
    #[default]
    Absent,
    Null,
    Words(Span),
}

/// What a body says of a message's media.
#[derive(Debug, Default)]
pub(super) struct Media {
    pub(super) has_media: Option<bool>,
    pub(super) ids: Vec<Span>,
    pub(super) price: Option<Span>,
}

impl<'a> Body<'a> {
    /// Reads a whole body.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ParseEventError> {
        let mut body = Self {
            source: Source(bytes),
            ..Self::default()
        };
        let mut reader = Reader::new(bytes);
        let object = reader
            .object(|key, reader| body.member(key, reader))
            .and_then(|object| reader.end().map(|()| object));
        match object {
            Ok(true) => Ok(body),
            Ok(false) => Err(ParseEventError::NotAnObject),
            Err(Malformed) => Err(ParseEventError::Json),
        }
    }

    fn member(&mut self, key: &[u8], reader: &mut Reader<'_>) -> Result<()> {
        match key {
            b"id" => self.id = reader.string()?,
            b"type" => self.name = reader.string()?,
            b"timestamp" => self.timestamp = reader.string()?,
            b"data" => {
                let mut data = Box::<Data>::default();
                let object = reader.object(|key, reader| data.member(key, reader))?;
                self.data = object.then_some(data);
            }
            b"recipientUuid" => self.recipient = reader.string()?,
            b"sender" => self.sender = Person::read(reader)?,
            b"senderUuid" => self.sender_uuid = reader.string()?,
            b"counterpartUuid" => self.counterpart = reader.string()?,
            b"message" => {
                let mut message = Box::<FlatMessage>::default();
                let object = reader.object(|key, reader| message.member(key, reader))?;
                self.message = object.then_some(message);
            }
            b"messageUuid" => self.message_uuid = reader.string()?,
            b"postUuid" => self.post_uuid = reader.string()?,
            b"routeUuid" => self.route_uuid = reader.string()?,
            b"context" => self.context = reader.string()?,
            b"price" => self.price = reader.number()?,
            b"readMessagesCount" => self.read_count = reader.number()?,
            b"isMuted" => self.is_muted = reader.boolean()?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// The account that the body is for, if it names one.
    pub(super) fn account(&self) -> Result<Option<AccountId>, ParseEventError> {
        let creator = self.data.as_ref().and_then(|data| data.creator.uuid);
        let (raw, field) = match creator {
            Some(raw) => (raw, "data.creator.uuid"),
            None => match self.recipient {
                Some(raw) => (raw, "recipientUuid"),
                None => return Ok(None),
            },
        };
        match self.source.uuid(raw) {
            Some(id) => Ok(Some(AccountId::from_uuid(id))),
            None => Err(ParseEventError::NotAnId { field }),
        }
    }
}

impl Data {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'_>) -> Result<()> {
        match key {
            b"creator" => self.creator = Person::read(reader)?,
            b"fan" => self.fan = Person::read(reader)?,
            b"purchaser" => self.purchaser = Person::read(reader)?,
            b"actor" | b"follower" => self.other = Person::read(reader)?,
            b"uuid" => self.uuid = reader.string()?,
            b"id" => self.id = reader.string()?,
            b"sender" => self.sender = reader.string()?,
            b"text" => self.text = Text::read(reader)?,
            b"has_media" => self.media.has_media = reader.boolean()?,
            b"media_uuids" => self.media.ids = spans(reader)?,
            b"price" => self.media.price = reader.number()?,
            b"message_type" => self.message_type = reader.string()?,
            b"is_automated" => self.is_automated = reader.boolean()?,
            b"is_muted" => self.is_muted = reader.boolean()?,
            b"unread_messages_count" => self.unread = reader.number()?,
            b"message_uuid" => self.message_uuid = reader.string()?,
            b"post_uuid" => self.post_uuid = reader.string()?,
            b"emoji" | b"state" => self.word = reader.string()?,
            b"created_at" => self.created_at = reader.string()?,
            b"deleted_at" | b"changed_at" | b"paid_at" => self.happened_at = reader.string()?,
            _ => self.money.member(key, reader)?,
        }
        Ok(())
    }
}

impl Money {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'_>) -> Result<()> {
        match key {
            b"status" => self.status = reader.string()?,
            b"cancel_at_period_end" => self.cancel_at_period_end = reader.boolean()?,
            b"current_period_start" => self.period_start = reader.string()?,
            b"expires_at" => self.expires_at = reader.string()?,
            b"source" => self.source = reader.string()?,
            b"gross" => self.gross = reader.number()?,
            b"net" => self.net = reader.number()?,
            b"amount" => self.amount = reader.number()?,
            b"currency" => self.currency = reader.string()?,
            b"payment_id" => self.payment_id = reader.string()?,
            b"payment" => {
                reader.object(|key, reader| {
                    match key {
                        b"id" => self.payment_id = reader.string()?,
                        b"purchaser" | b"fan" => self.payer = Person::read(reader)?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    }
}

impl FlatMessage {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'_>) -> Result<()> {
        match key {
            b"uuid" => self.uuid = reader.string()?,
            b"text" => self.text = Text::read(reader)?,
            b"hasMedia" => self.media.has_media = reader.boolean()?,
            b"mediaUuids" => self.media.ids = spans(reader)?,
            b"price" => self.media.price = reader.number()?,
            b"createdAt" => self.created_at = reader.string()?,
            b"type" => self.message_type = reader.string()?,
            _ => reader.skip()?,
        }
        Ok(())
    }
}

impl Person {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut person = Self::default();
        person.present = reader.object(|key, reader| {
            match key {
                b"uuid" => person.uuid = reader.string()?,
                b"handle" => person.handle = reader.string()?,
                b"display_name" | b"displayName" => person.display_name = reader.string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(person)
    }
}

impl Text {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let null = reader.at_null();
        Ok(match reader.string()? {
            Some(words) => Self::Words(words),
            None if null => Self::Null,
            None => Self::Absent,
        })
    }
}

/// The strings of an array; other elements are passed over.
fn spans(reader: &mut Reader<'_>) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    reader.array(|reader| {
        spans.extend(reader.string()?);
        Ok(())
    })?;
    Ok(spans)
}

/// What spans point into.
#[derive(Clone, Copy, Default)]
pub(super) struct Source<'a>(&'a [u8]);

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.0.len())
    }
}

impl<'a> Source<'a> {
    pub(super) fn bytes(self, span: Span) -> Cow<'a, [u8]> {
        span.bytes(self.0)
    }

    pub(super) fn text(self, span: Span) -> Cow<'a, str> {
        span.text(self.0)
    }

    pub(super) fn uuid(self, span: Span) -> Option<Uuid> {
        Uuid::try_parse_ascii(&self.bytes(span)).ok()
    }

    pub(super) fn time(self, span: Option<Span>) -> Option<Timestamp> {
        super::rfc3339::parse(&self.bytes(span?))
    }

    /// Cents from `500` and `500.0` alike; a fraction of a cent rounds.
    pub(super) fn cents(self, number: Option<Span>) -> Option<Cents> {
        cents(&self.text(number?))
    }

    /// A count from `2` and `2.0` alike.
    pub(super) fn count(self, number: Option<Span>) -> Option<u64> {
        u64::try_from(self.cents(number)?.get()).ok()
    }
}

fn cents(number: &str) -> Option<Cents> {
    if let Ok(cents) = number.parse() {
        return Some(Cents::new(cents));
    }
    let amount: f64 = number.parse().ok()?;
    format!("{amount:.0}").parse().ok().map(Cents::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_with_and_without_a_fraction() {
        for (number, expected) in [
            ("500", Some(500)),
            ("500.0", Some(500)),
            ("5e2", Some(500)),
            ("-3", Some(-3)),
            ("499.6", Some(500)),
            ("1e999", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(cents(number).map(Cents::get), expected, "{number}");
        }
    }
}
