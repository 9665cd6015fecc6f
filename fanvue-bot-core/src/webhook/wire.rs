//! A webhook body's fields, of both families at once, as they stand in the bytes.
//!
//! Every field is optional here and a value of another type than expected is an absent one. A key that
//! occurs twice counts as its last occurrence.

use uuid::Uuid;

use super::event::ParseEventError;
use super::json::{Malformed, RawStr, Reader};
use crate::id::AccountId;
use crate::money::Cents;
use crate::time::Timestamp;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// The top level.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) id: Option<RawStr<'a>>,
    pub(super) name: Option<RawStr<'a>>,
    pub(super) timestamp: Option<RawStr<'a>>,
    pub(super) data: Option<Box<Data<'a>>>,
    pub(super) recipient: Option<RawStr<'a>>,
    pub(super) sender: Person<'a>,
    pub(super) sender_uuid: Option<RawStr<'a>>,
    pub(super) counterpart: Option<RawStr<'a>>,
    pub(super) message: Option<Box<FlatMessage<'a>>>,
    pub(super) message_uuid: Option<RawStr<'a>>,
    pub(super) post_uuid: Option<RawStr<'a>>,
    pub(super) route_uuid: Option<RawStr<'a>>,
    pub(super) context: Option<RawStr<'a>>,
    pub(super) price: Option<&'a [u8]>,
    pub(super) read_count: Option<&'a [u8]>,
    pub(super) is_muted: Option<bool>,
}

/// `data` of an envelope.
#[derive(Debug, Default)]
pub(super) struct Data<'a> {
    pub(super) creator: Person<'a>,
    pub(super) fan: Person<'a>,
    pub(super) purchaser: Person<'a>,
    pub(super) other: Person<'a>,
    pub(super) uuid: Option<RawStr<'a>>,
    pub(super) id: Option<RawStr<'a>>,
    pub(super) sender: Option<RawStr<'a>>,
    pub(super) text: Text<'a>,
    pub(super) media: Media<'a>,
    pub(super) message_type: Option<RawStr<'a>>,
    pub(super) is_automated: Option<bool>,
    pub(super) is_muted: Option<bool>,
    pub(super) unread: Option<&'a [u8]>,
    pub(super) message_uuid: Option<RawStr<'a>>,
    pub(super) post_uuid: Option<RawStr<'a>>,
    pub(super) word: Option<RawStr<'a>>,
    pub(super) created_at: Option<RawStr<'a>>,
    pub(super) happened_at: Option<RawStr<'a>>,
    pub(super) money: Money<'a>,
}

/// What only events about money carry.
#[derive(Debug, Default)]
pub(super) struct Money<'a> {
    pub(super) status: Option<RawStr<'a>>,
    pub(super) cancel_at_period_end: Option<bool>,
    pub(super) period_start: Option<RawStr<'a>>,
    pub(super) expires_at: Option<RawStr<'a>>,
    pub(super) source: Option<RawStr<'a>>,
    pub(super) gross: Option<&'a [u8]>,
    pub(super) net: Option<&'a [u8]>,
    pub(super) amount: Option<&'a [u8]>,
    pub(super) currency: Option<RawStr<'a>>,
    pub(super) payment_id: Option<RawStr<'a>>,
    pub(super) payer: Person<'a>,
}

/// `message` of a flat body.
#[derive(Debug, Default)]
pub(super) struct FlatMessage<'a> {
    pub(super) uuid: Option<RawStr<'a>>,
    pub(super) text: Text<'a>,
    pub(super) media: Media<'a>,
    pub(super) created_at: Option<RawStr<'a>>,
    pub(super) message_type: Option<RawStr<'a>>,
}

/// A user.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Person<'a> {
    pub(super) present: bool,
    pub(super) uuid: Option<RawStr<'a>>,
    pub(super) handle: Option<RawStr<'a>>,
    pub(super) display_name: Option<RawStr<'a>>,
}

/// Words that may be left out, which is not the same as there being none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Text<'a> {
    #[default]
    Absent,
    Null,
    Words(RawStr<'a>),
}

/// What a body says of a message's media.
#[derive(Debug, Default)]
pub(super) struct Media<'a> {
    pub(super) has_media: Option<bool>,
    pub(super) ids: Vec<Uuid>,
    pub(super) price: Option<&'a [u8]>,
}

impl<'a> Body<'a> {
    /// Reads a whole body.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ParseEventError> {
        let mut body = Self::default();
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

    fn member(&mut self, key: &[u8], reader: &mut Reader<'a>) -> Result<()> {
        match key {
            b"id" => self.id = reader.string()?,
            b"type" => self.name = reader.string()?,
            b"timestamp" => self.timestamp = reader.string()?,
            b"data" => {
                let mut data = Box::<Data<'a>>::default();
                let object = reader.object(|key, reader| data.member(key, reader))?;
                self.data = object.then_some(data);
            }
            b"recipientUuid" => self.recipient = reader.string()?,
            b"sender" => self.sender = Person::read(reader)?,
            b"senderUuid" => self.sender_uuid = reader.string()?,
            b"counterpartUuid" => self.counterpart = reader.string()?,
            b"message" => {
                let mut message = Box::<FlatMessage<'a>>::default();
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
        match uuid(raw) {
            Some(id) => Ok(Some(AccountId::from_uuid(id))),
            None => Err(ParseEventError::NotAnId { field }),
        }
    }
}

impl<'a> Data<'a> {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'a>) -> Result<()> {
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
            b"media_uuids" => self.media.ids = uuids(reader)?,
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

impl<'a> Money<'a> {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'a>) -> Result<()> {
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

impl<'a> FlatMessage<'a> {
    fn member(&mut self, key: &[u8], reader: &mut Reader<'a>) -> Result<()> {
        match key {
            b"uuid" => self.uuid = reader.string()?,
            b"text" => self.text = Text::read(reader)?,
            b"hasMedia" => self.media.has_media = reader.boolean()?,
            b"mediaUuids" => self.media.ids = uuids(reader)?,
            b"price" => self.media.price = reader.number()?,
            b"createdAt" => self.created_at = reader.string()?,
            b"type" => self.message_type = reader.string()?,
            _ => reader.skip()?,
        }
        Ok(())
    }
}

impl<'a> Person<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
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

impl<'a> Text<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let null = reader.at_null();
        Ok(match reader.string()? {
            Some(words) => Self::Words(words),
            None if null => Self::Null,
            None => Self::Absent,
        })
    }
}

/// The UUIDs of an array; other elements are passed over.
fn uuids(reader: &mut Reader<'_>) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    reader.array(|reader| {
        ids.extend(reader.string()?.and_then(uuid));
        Ok(())
    })?;
    Ok(ids)
}

pub(super) fn uuid(raw: RawStr<'_>) -> Option<Uuid> {
    Uuid::try_parse_ascii(&raw.bytes()).ok()
}

pub(super) fn time(raw: RawStr<'_>) -> Option<Timestamp> {
    super::rfc3339::parse(&raw.bytes())
}

/// Cents from `500` and `500.0` alike; a fraction of a cent rounds.
pub(super) fn cents(number: &[u8]) -> Option<Cents> {
    let text = std::str::from_utf8(number).ok()?;
    if let Ok(cents) = text.parse() {
        return Some(Cents::new(cents));
    }
    let amount: f64 = text.parse().ok()?;
    format!("{amount:.0}").parse().ok().map(Cents::new)
}

/// A count from `2` and `2.0` alike.
pub(super) fn count(number: &[u8]) -> Option<u64> {
    u64::try_from(cents(number)?.get()).ok()
}
