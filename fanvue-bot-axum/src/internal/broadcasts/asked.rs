//! What a call says of a broadcast, read field by field, so that the answer names each that is wrong.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use fanvue_bot_core::broadcast::{Segment, Template};
use fanvue_bot_core::client::{FanList, SmartList};
use fanvue_bot_core::ledger::Stage;
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::answer::{self, Wrong};
use crate::internal::ask::{self, Refusal};
use crate::webhook::body;

/// The largest body, in bytes: 5000 characters, each of which may be escaped in twelve bytes, and as much again for
/// what is around them.
const BODY: usize = 131_072;

/// What a draft is made of.
pub(super) struct Draft {
    pub(super) message: Template,
    pub(super) segment: Segment,
    pub(super) rest: Option<Duration>,
}

/// Why a call is not heeded.
pub(super) enum Misread {
    /// The body is none that could be read.
    Refusal(Refusal),
    /// These fields of it are wrong.
    Wrong(Vec<Wrong>),
}

impl Misread {
    fn bad(reason: impl Into<String>) -> Self {
        Self::Refusal(Refusal::Bad(reason.into()))
    }
}

impl IntoResponse for Misread {
    fn into_response(self) -> Response {
        match self {
            Self::Refusal(refusal) => refusal.into_response(),
            Self::Wrong(faults) => answer::wrong(&faults),
        }
    }
}

/// The draft in the body.
pub(super) async fn draft(request: Request) -> Result<Draft, Misread> {
    let mut fields = Fields::of(request).await?;
    let (message, segment) = (fields.message(), fields.segment());
    let rest = fields.millis("rest");
    fields.end("message, segment and rest")?;
    Ok(Draft {
        message,
        segment,
        rest,
    })
}

/// The time in the body.
pub(super) async fn time(request: Request) -> Result<Timestamp, Misread> {
    const SHAPE: &str = "it must be a time, such as \"2026-12-01T12:00:00Z\"";
    let mut fields = Fields::of(request).await?;
    let Some(at) = fields.take("at", SHAPE) else {
        if fields.wrong.is_empty() {
            fields.fault("at", SHAPE);
        }
        return Err(Misread::Wrong(fields.wrong));
    };
    fields.end("at")?;
    Ok(at)
}

/// The fields of the body that are not read yet, and what was wrong with those that are.
struct Fields {
    left: Map<String, Value>,
    wrong: Vec<Wrong>,
}

impl Fields {
    async fn of(request: Request) -> Result<Self, Misread> {
        let body = body::read(request.into_body(), BODY, ask::READ).await;
        let body = body.map_err(|unread| Misread::Refusal(Refusal::Unread(unread)))?;
        let body: &[u8] = match body.trim_ascii() {
            [] => b"{}",
            object => object,
        };
        match serde_json::from_slice(body) {
            Ok(left) => Ok(Self {
                left,
                wrong: Vec::new(),
            }),
            // What serde says would repeat what was sent.
            Err(_) => Err(Misread::bad("the body must be a JSON object")),
        }
    }

    fn message(&mut self) -> Template {
        let mut inner = self.inner("message");
        let text: Option<String> = inner.take("message.text", "it must be a text");
        let mut message = Template::text(text.unwrap_or_default());
        message.name_fallback = inner
            .take("message.name_fallback", "it must be a text")
            .map(|name: String| name.into());
        let media = "it must be a list of the ids of the creator's media, each a UUID";
        message.media = inner.take("message.media", media).unwrap_or_default();
        message.price = inner.cents("message.price");
        self.close(
            "message",
            inner,
            "it has the fields text, name_fallback, media and price, and no others",
        );
        message
    }

    fn segment(&mut self) -> Segment {
        let mut inner = self.inner("segment");
        let mut segment = Segment::of(inner.lists("segment.include"));
        segment.exclude = inner.lists("segment.exclude");
        segment.active_within = inner.millis("segment.active_within");
        segment.silent_for = inner.millis("segment.silent_for");
        segment.stages = inner.stages("segment.stages");
        segment.spent_at_least = inner.cents("segment.spent_at_least");
        segment.spent_at_most = inner.cents("segment.spent_at_most");
        self.close(
            "segment",
            inner,
            "it has the fields include, exclude, active_within, silent_for, stages, spent_at_least and spent_at_most, and no others",
        );
        segment
    }

    fn millis(&mut self, field: &'static str) -> Option<Duration> {
        let millis = self.take(field, "it must be a whole number of milliseconds");
        millis.map(Duration::from_millis)
    }

    fn cents(&mut self, field: &'static str) -> Option<Cents> {
        let cents = self.take(field, "it must be a whole number of cents");
        cents.map(Cents::new)
    }

    fn stages(&mut self, field: &'static str) -> Vec<Stage> {
        let names = Stage::ALL.map(Stage::as_str).join(", ");
        let shape = format!("it must be a list, and each of it one of {names}");
        self.take(field, &shape).unwrap_or_default()
    }

    fn lists(&mut self, field: &'static str) -> Vec<FanList> {
        const SHAPE: &str = "it must be a list, and each of it {\"smart\":\"subscribers\"}, or another of \
                             Fanvue's words, or {\"custom\":\"the id of a list\"}";
        let items: Vec<Value> = self.take(field, SHAPE).unwrap_or_default();
        let mut lists = Vec::new();
        for item in items {
            let word = item.get("smart").and_then(Value::as_str);
            let unknown = word.and_then(|word| word.parse::<SmartList>().err());
            match (serde_json::from_value(item), unknown) {
                (Ok(list), _) => lists.push(list),
                (Err(_), Some(unknown)) => self.wrong.push(Wrong {
                    field,
                    reason: unknown.to_string(),
                    nearest: Some(json!({ "smart": unknown.nearest })),
                }),
                (Err(_), None) => self.fault(field, SHAPE),
            }
        }
        lists
    }

    /// The value of a field; none if it is left out, null, or wrong.
    fn take<T: DeserializeOwned>(&mut self, field: &'static str, shape: &str) -> Option<T> {
        let name = field.rsplit('.').next().unwrap_or(field);
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        let read = serde_json::from_value(value).ok();
        if read.is_none() {
            self.fault(field, shape);
        }
        read
    }

    fn fault(&mut self, field: &'static str, reason: &str) {
        self.wrong.push(Wrong {
            field,
            reason: reason.to_owned(),
            nearest: None,
        });
    }

    /// The fields of a field.
    fn inner(&mut self, field: &'static str) -> Self {
        let left = self.take(field, "it must be a JSON object");
        Self {
            left: left.unwrap_or_default(),
            wrong: Vec::new(),
        }
    }

    fn close(&mut self, field: &'static str, inner: Self, known: &str) {
        self.wrong.extend(inner.wrong);
        if !inner.left.is_empty() {
            self.fault(field, known);
        }
    }

    /// Refuses if anything was wrong, or is left.
    fn end(self, known: &str) -> Result<(), Misread> {
        if !self.wrong.is_empty() {
            return Err(Misread::Wrong(self.wrong));
        }
        if !self.left.is_empty() {
            let reason = format!("the body has the fields {known}, and no others");
            return Err(Misread::bad(reason));
        }
        Ok(())
    }
}
