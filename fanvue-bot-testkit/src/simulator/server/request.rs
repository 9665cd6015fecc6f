//! A request as the handlers see it: read whole, decoded once.

use hyper::HeaderMap;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::simulator::world::{ApiError, Moment};

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Fields,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Incoming {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn form(&self) -> Fields {
        Fields::parse(&String::from_utf8_lossy(&self.body))
    }
}

/// Decoded pairs of a query string or a form, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a repeated parameter, which some clients write as `name[]`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key.strip_suffix("[]").unwrap_or(key) == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parts of a comma list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        let text = self.get(name)?;
        Some(
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect(),
        )
    }

    pub(super) fn uuid(&self, name: &str) -> Result<Option<Uuid>, ApiError> {
        self.get(name).map(|text| uuid(name, text)).transpose()
    }

    pub(super) fn uuids(&self, name: &str, most: usize) -> Result<Option<Vec<Uuid>>, ApiError> {
        let Some(parts) = self.list(name) else {
            return Ok(None);
        };
        if parts.len() > most {
            return Err(ApiError::invalid(format!(
                "{name} must have at most {most} items"
            )));
        }
        parts
            .into_iter()
            .map(|text| uuid(name, text))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(format!("{name} must be true or false"))),
        }
    }

    pub(super) fn moment(&self, name: &str) -> Result<Option<Moment>, ApiError> {
        self.get(name)
            .map(|text| {
                Moment::parse(text)
                    .ok_or_else(|| ApiError::invalid(format!("{name} must be an ISO 8601 time")))
            })
            .transpose()
    }

    /// A number from `least` to `most`.
    pub(super) fn number(
        &self,
        name: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ if most == usize::MAX => Err(ApiError::invalid(format!(
                "{name} must be at least {least}"
            ))),
            _ => Err(ApiError::invalid(format!(
                "{name} must be between {least} and {most}"
            ))),
        }
    }
}

/// Reads a uuid or says which parameter is none.
pub(super) fn uuid(name: &str, text: &str) -> Result<Uuid, ApiError> {
    // Only the hyphenated form, which is what the API speaks.
    if text.len() == 36
        && let Ok(uuid) = Uuid::parse_str(text)
    {
        return Ok(uuid);
    }
    Err(ApiError::invalid(format!("{name} must be a UUID")))
}

/// The fields of a JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Body<'a> {
    /// The value, unless it is missing or null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Result<Option<String>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ApiError::invalid(format!("{name} must be a string"))),
        }
    }

    pub(super) fn needed_text(self, name: &str) -> Result<String, ApiError> {
        self.text(name)?
            .ok_or_else(|| ApiError::invalid(format!("{name} must be a string")))
    }

    pub(super) fn boolean(self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(ApiError::invalid(format!("{name} must be a boolean"))),
        }
    }

    /// A whole number that is not negative; `500.0` is as good as `500`.
    pub(super) fn number(self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_u64()
            .or_else(|| {
                let text = value.as_f64()?.to_string();
                text.parse().ok()
            })
            .map(Some)
            .ok_or_else(|| ApiError::invalid(format!("{name} must be a whole number")))
    }

    pub(super) fn uuid(self, name: &str) -> Result<Option<Uuid>, ApiError> {
        self.text(name)?.map(|text| uuid(name, &text)).transpose()
    }

    pub(super) fn texts(self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let wrong = || ApiError::invalid(format!("{name} must be an array of strings"));
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

    pub(super) fn uuids(self, name: &str) -> Result<Option<Vec<Uuid>>, ApiError> {
        let Some(texts) = self.texts(name)? else {
            return Ok(None);
        };
        texts
            .iter()
            .map(|text| uuid(name, text))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn moment(self, name: &str) -> Result<Option<Moment>, ApiError> {
        self.text(name)?
            .map(|text| {
                Moment::parse(&text)
                    .ok_or_else(|| ApiError::invalid(format!("{name} must be an ISO 8601 time")))
            })
            .transpose()
    }

    pub(super) fn object(self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(_) => Err(ApiError::invalid(format!("{name} must be an object"))),
        }
    }
}

/// Undoes percent encoding; in forms and queries a plus sign is a space.
pub(super) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text
            .get(at + 1..at + 3)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) if plus => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push('%');
                encoded.push_str(&crate::simulator::world::hex(&[byte]).to_ascii_uppercase());
            }
            encoded
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_and_repeated_parameters_kept() {
        let fields = Fields::parse("filter=unread&filter[]=online&search=a%20b+c%2B&x");
        assert_eq!(
            fields.all("filter").collect::<Vec<_>>(),
            ["unread", "online"]
        );
        assert_eq!(fields.get("search"), Some("a b c+"));
        assert_eq!(fields.get("x"), Some(""));
        assert_eq!(decode("100%", false), "100%");
        assert_eq!(encode("a b/ü"), "a%20b%2F%C3%BC");
    }
}
