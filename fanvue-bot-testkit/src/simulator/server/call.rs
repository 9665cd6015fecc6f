//! One authorized call: who calls, on whose behalf, with what.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::request::{Body, Fields, uuid};
use super::route::Family;
use crate::simulator::world::{Access, ApiError, Moment, World};

/// Everything that a handler works on.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) world: &'a mut World,
    pub(super) now: Moment,
    pub(super) family: Family,
    /// The creator acted for: the caller, or the one in the path.
    pub(super) creator: Uuid,
    pub(super) access: Access,
    pub(super) captured: BTreeMap<&'static str, String>,
    pub(super) query: &'a Fields,
    pub(super) raw_body: &'a [u8],
    /// Whether objects get a field that no client knows.
    pub(super) unknown_fields: bool,
    pub(super) parsed: Option<Map<String, Value>>,
}

impl Call<'_> {
    pub(super) fn is_v1(&self) -> bool {
        self.family == Family::V1
    }

    /// A part of the path that must be a uuid.
    pub(super) fn id(&self, name: &'static str) -> Result<Uuid, ApiError> {
        uuid(name, self.part(name))
    }

    /// A part of the path.
    pub(super) fn part(&self, name: &'static str) -> &str {
        self.captured.get(name).map_or("", String::as_str)
    }

    /// Reads the JSON body once; it must be an object.
    pub(super) fn read_body(&mut self) -> Result<(), ApiError> {
        if self.parsed.is_none() {
            let parsed = match serde_json::from_slice(self.raw_body) {
                Ok(Value::Object(map)) => map,
                Ok(_) => return Err(ApiError::invalid("body must be a JSON object")),
                Err(_) => return Err(ApiError::invalid("body must be valid JSON")),
            };
            self.parsed = Some(parsed);
        }
        Ok(())
    }

    /// The JSON body, which [`read_body`](Self::read_body) has read.
    pub(super) fn body(&self) -> Body<'_> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        Body(self.parsed.as_ref().unwrap_or(&EMPTY))
    }

    /// Adds the field that no client knows, if the simulator is told to.
    pub(super) fn extend(&self, mut object: Value) -> Value {
        if self.unknown_fields {
            object["futureField"] = json!({"note": "clients must not mind this"});
        }
        object
    }

    /// Pages a list that the family pages in its own way: by number, or by cursor.
    pub(super) fn list<T>(
        &self,
        items: &[T],
        total: Option<Option<usize>>,
        render: impl Fn(&T) -> Value,
    ) -> Result<Answer, ApiError> {
        if self.is_v1() && self.query.get("page").is_none() {
            self.cursor_list(items, total, render)
        } else {
            self.page_list(items, render)
        }
    }

    /// Pages by `page` and `size`.
    pub(super) fn page_list<T>(
        &self,
        items: &[T],
        render: impl Fn(&T) -> Value,
    ) -> Result<Answer, ApiError> {
        let page = self.query.number("page", 1, usize::MAX)?.unwrap_or(1);
        let size = self.query.number("size", 1, 50)?.unwrap_or(15);
        let skip = (page - 1).saturating_mul(size);
        let data: Vec<Value> = items.iter().skip(skip).take(size).map(render).collect();
        let more = items.len() > skip.saturating_add(size);
        Ok(Answer::json(
            200,
            &json!({"data": data, "pagination": {"page": page, "size": size, "hasMore": more}}),
        ))
    }

    /// Pages by `cursor` and `size` or `limit`. With `total`, the answer has that member, a
    /// number or null.
    pub(super) fn cursor_list<T>(
        &self,
        items: &[T],
        total: Option<Option<usize>>,
        render: impl Fn(&T) -> Value,
    ) -> Result<Answer, ApiError> {
        let size = match self.query.number("size", 1, 50)? {
            Some(size) => size,
            None => self.query.number("limit", 1, 50)?.unwrap_or(20),
        };
        let skip = match self.query.get("cursor").filter(|cursor| !cursor.is_empty()) {
            None => 0,
            Some(cursor) => {
                offset(cursor).ok_or_else(|| ApiError::invalid("cursor must be one given out"))?
            }
        };
        let data: Vec<Value> = items.iter().skip(skip).take(size).map(render).collect();
        let next = skip.saturating_add(size);
        let cursor = (items.len() > next).then(|| URL_SAFE_NO_PAD.encode(format!("at:{next}")));
        let mut body = json!({"data": data, "nextCursor": cursor});
        if let Some(total) = total {
            body["total"] = json!(total);
        }
        Ok(Answer::json(200, &body))
    }
}

fn offset(cursor: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("at:")?
        .parse()
        .ok()
}
