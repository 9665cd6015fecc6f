//! From a body's fields to an [`Event`].

mod envelope;
mod flat;

use std::borrow::Cow;
use std::sync::Arc;

use uuid::Uuid;

use super::{Event, Hints, ParseEventError};
use crate::fan::FanProfile;
use crate::id::{FanId, MediaId};
use crate::message::{Content, MessageType};
use crate::webhook::json::Span;
use crate::webhook::wire::{Body, Media, Person, Source, Text};

type Result<T, E = ParseEventError> = std::result::Result<T, E>;

/// The name of an event that gives none.
const UNRECOGNIZED: &str = "unrecognized";

/// Reads a proved body.
pub(in crate::webhook) fn parse(bytes: &[u8], hints: &Hints<'_>) -> Result<Event> {
    let body = Body::read(bytes)?;
    let at = body.source.time(body.timestamp);
    if body.data.is_some() || body.name.is_some() {
        envelope::read(bytes, &body, at)
    } else {
        flat::read(bytes, &body, at, hints)
    }
}

impl<'a> Source<'a> {
    fn content(self, text: Text, media: &Media) -> Content {
        let (text, fetched) = match text {
            Text::Words(words) => {
                let words = self.text(words);
                ((!words.is_empty()).then(|| words.into()), true)
            }
            Text::Null => (None, true),
            Text::Absent => (None, false),
        };
        Content {
            text,
            media: media
                .ids
                .iter()
                .filter_map(|id| self.uuid(*id).map(MediaId::from_uuid))
                .collect(),
            has_media: media.has_media.unwrap_or(false) || !media.ids.is_empty(),
            price: self.cents(media.price),
            fetched,
        }
    }

    fn message_type(self, name: Option<Span>) -> MessageType {
        name.map_or(MessageType::SingleRecipient, |name| {
            MessageType::from_wire(&self.text(name))
        })
    }

    /// The profile, if it has an id.
    fn fan(self, person: &Person) -> Option<FanProfile> {
        self.required_fan(person, "").ok()
    }

    fn required_fan(self, person: &Person, field: &'static str) -> Result<FanProfile> {
        let mut fan = FanProfile::new(FanId::from_uuid(self.required(person.uuid, field)?));
        fan.handle = self.shared(person.handle);
        fan.display_name = self.shared(person.display_name);
        Ok(fan)
    }

    fn required(self, id: Option<Span>, field: &'static str) -> Result<Uuid> {
        let id = id.ok_or(ParseEventError::Missing { field })?;
        self.uuid(id).ok_or(ParseEventError::NotAnId { field })
    }

    fn optional(self, id: Option<Span>) -> Option<Uuid> {
        self.uuid(id?)
    }

    /// The word, empty if there is none.
    fn word(self, word: Option<Span>) -> Cow<'a, str> {
        word.map(|word| self.text(word)).unwrap_or_default()
    }

    fn shared(self, text: Option<Span>) -> Option<Arc<str>> {
        text.map(|text| self.text(text).into())
    }

    fn boxed(self, text: Option<Span>) -> Option<Box<str>> {
        text.map(|text| self.text(text).into())
    }
}
