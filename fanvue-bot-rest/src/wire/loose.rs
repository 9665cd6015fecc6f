//! Leniency: more of Fanvue's fields are null, absent or odd than its documentation says.

use fanvue_bot_core::time::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// A field that may be absent, null, or of a shape that is not the documented one: then it counts as
/// absent.
pub(crate) struct Loose<T>(pub(crate) Option<T>);

impl<T> Default for Loose<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(T::deserialize(value).ok()))
    }
}

impl Loose<String> {
    /// The text, unless it is empty.
    pub(crate) fn text(self) -> Option<String> {
        self.0.filter(|text| !text.is_empty())
    }
}

impl<T> Loose<Vec<Loose<T>>> {
    /// The items that are what they should be.
    pub(crate) fn items(self) -> Vec<T> {
        let items = self.0.unwrap_or_default();
        items.into_iter().filter_map(|item| item.0).collect()
    }
}

/// A whole number, also where it is written as `500.0`: Fanvue types all numbers as floating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) i64);

impl Whole {
    /// The number, or zero if it is negative.
    pub(crate) fn count(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        number
            .as_i64()
            .or_else(|| rounded(number.as_f64()?))
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected a whole number"))
    }
}

/// The nearest whole number, by way of its decimal text: there is no checked conversion.
fn rounded(number: f64) -> Option<i64> {
    format!("{number:.0}").parse().ok()
}

/// A time; one without an offset is in UTC.
pub(crate) struct Time(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .or_else(|_| format!("{text}Z").parse())
            .map(Self)
            .map_err(|_| D::Error::custom("expected a time"))
    }
}

/// An opaque text, also where it is written as a number.
pub(crate) struct Label(pub(crate) String);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if !text.is_empty() => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("expected a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_read_in_both_spellings() {
        let check = |value: Value, number: Option<i64>| {
            let found = serde_json::from_value::<Loose<Whole>>(value.clone()).unwrap();
            assert_eq!(found.0.map(|whole| whole.0), number, "{value}");
        };
        check(json!(500), Some(500));
        check(json!(500.0), Some(500));
        check(json!(-3), Some(-3));
        check(json!(1e300), None);
        check(json!("500"), None);
        check(json!(null), None);
    }

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        let check = |text: &str, micros: Option<i64>| {
            let found = serde_json::from_value::<Loose<Time>>(json!(text)).unwrap();
            assert_eq!(found.0.map(|time| time.0.as_micros()), micros, "{text}");
        };
        check("1970-01-01T00:00:01.500Z", Some(1_500_000));
        check("1970-01-01T01:00:00+01:00", Some(0));
        check("1970-01-01T00:00:01", Some(1_000_000));
        check("yesterday", None);
    }
}
