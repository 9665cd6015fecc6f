//! Reading what a control request says, with errors that name the field and the fix.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::request::Incoming;
use crate::simulator::world::{ApiError, World};

/// Why a control request was refused.
#[derive(Debug)]
pub(super) enum Problem {
    /// A field is wrong.
    Field {
        field: String,
        problem: String,
        fix: String,
    },
    /// The world refused.
    Refused(ApiError),
}

impl Problem {
    pub(super) fn field(field: &str, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Field {
                field,
                problem,
                fix,
            } => Self::json(
                400,
                &json!({
                    "error": format!("{field} {problem}: {fix}"),
                    "field": field,
                    "problem": problem,
                    "fix": fix,
                }),
            ),
            Problem::Refused(error) => {
                Self::json(error.status(), &json!({"error": error.to_string()}))
            }
        }
    }
}

/// The fields of a control request: the body's, or the query's for GET and DELETE.
#[derive(Debug)]
pub(super) struct Input(Map<String, Value>);

impl Input {
    /// Reads the request, which may have these fields and no others.
    pub(super) fn read(request: &Incoming, fields: &[&str]) -> Result<Self, Problem> {
        let map = if request.method == "GET" || request.method == "DELETE" {
            fields
                .iter()
                .map(|name| name.trim_end_matches('?'))
                .filter_map(|name| {
                    Some((
                        name.to_owned(),
                        Value::String(request.query.get(name)?.to_owned()),
                    ))
                })
                .collect()
        } else if request.body.is_empty() {
            Map::new()
        } else {
            match serde_json::from_slice(&request.body) {
                Ok(Value::Object(map)) => map,
                Ok(_) => return Err(Problem::field("body", "is not an object", "send {...}")),
                Err(error) => {
                    return Err(Problem::field(
                        "body",
                        format!("is not JSON ({error})"),
                        "mend it",
                    ));
                }
            }
        };
        let known = |name: &str| {
            fields
                .iter()
                .any(|field| field.trim_end_matches('?') == name)
        };
        if let Some(name) = map.keys().find(|name| !known(name)) {
            let fix = format!("use one of {}", fields.join(", "));
            return Err(Problem::field(name, "is not a field of this call", fix));
        }
        let input = Self(map);
        for field in fields.iter().filter(|field| !field.ends_with('?')) {
            if input.get(field).is_none() {
                return Err(Problem::field(field, "is missing", "add it"));
            }
        }
        Ok(input)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn maybe_text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, "is not a string", "put it in quotes")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Problem> {
        self.maybe_text(name)?
            .ok_or_else(|| Problem::field(name, "is missing", "add it"))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || Problem::field(name, "is not a list of strings", "send [\"...\"]");
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(wrong()),
        }
    }

    pub(super) fn maybe_number(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .or_else(|| value.as_str()?.parse().ok())
                .map(Some)
                .ok_or_else(|| Problem::field(name, "is not a whole number", "send one from 0 on")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Problem> {
        self.maybe_number(name)?
            .ok_or_else(|| Problem::field(name, "is missing", "add it"))
    }

    pub(super) fn maybe_boolean(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(Problem::field(
                name,
                "is not a boolean",
                "send true or false",
            )),
        }
    }

    pub(super) fn maybe_uuid(&self, name: &str) -> Result<Option<Uuid>, Problem> {
        let Some(text) = self.maybe_text(name)? else {
            return Ok(None);
        };
        Uuid::parse_str(text)
            .map(Some)
            .map_err(|_| Problem::field(name, "is not a uuid", "copy one from GET /_sim/state"))
    }

    pub(super) fn uuid(&self, name: &str) -> Result<Uuid, Problem> {
        self.maybe_uuid(name)?
            .ok_or_else(|| Problem::field(name, "is missing", "add it"))
    }

    /// A creator or agency, by uuid or handle.
    pub(super) fn maybe_creator(&self, name: &str, world: &World) -> Result<Option<Uuid>, Problem> {
        let Some(text) = self.maybe_text(name)? else {
            return Ok(None);
        };
        world
            .creators()
            .find(|c| c.handle == text || c.uuid.to_string() == text)
            .map(|c| Some(c.uuid))
            .ok_or_else(|| {
                let fix = "name one by uuid or handle, as GET /_sim/state lists them";
                Problem::field(name, "is not a creator", fix)
            })
    }

    pub(super) fn creator(&self, name: &str, world: &World) -> Result<Uuid, Problem> {
        self.maybe_creator(name, world)?
            .ok_or_else(|| Problem::field(name, "is missing", "add it"))
    }

    /// A fan, by uuid or handle.
    pub(super) fn fan(&self, name: &str, world: &World) -> Result<Uuid, Problem> {
        let text = self.text(name)?;
        world
            .fans()
            .find(|f| f.handle == text || f.uuid.to_string() == text)
            .map(|f| f.uuid)
            .ok_or_else(|| {
                let fix = "name one by uuid or handle, as GET /_sim/state lists them";
                Problem::field(name, "is not a fan", fix)
            })
    }
}
