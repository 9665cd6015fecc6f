//! What is wrong with settings, as data that a form can show and words that a person can read.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Settings that cannot be: everything that is wrong with them, at least one thing.
///
/// `Display` says each fault in a sentence of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentences(.faults))]
pub struct InvalidSettings {
    faults: Vec<Fault>,
}

impl InvalidSettings {
    /// All faults, in the order of the fields.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// One thing that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// Which field, as a path by the names of the stored form, such as `pace.longest`.
    pub field: Box<str>,
    /// Why its value cannot be, in words for whoever set it.
    pub reason: Box<str>,
    /// The valid value that is nearest to what was set; `None` if none is evident.
    pub nearest: Option<Nearest>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest valid value is {nearest}"),
            None => Ok(()),
        }
    }
}

/// A value that would be valid. Serializes as the field's own form does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nearest {
    /// For a duration.
    Millis(Duration),
    /// For a number.
    Count(u64),
    /// For a name, a time of day or the like.
    Text(Box<str>),
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millis(duration) => write!(f, "{} ms", duration.as_millis()),
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Nearest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Millis(duration) => super::millis::serialize(duration, serializer),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

pub(crate) fn sentences(faults: &[Fault]) -> String {
    let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
    all.join(". ")
}

/// This many minutes.
pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(
        &mut self,
        field: impl Into<Box<str>>,
        reason: impl Into<Box<str>>,
        nearest: Option<Nearest>,
    ) {
        self.0.push(Fault {
            field: field.into(),
            reason: reason.into(),
            nearest,
        });
    }

    pub(crate) fn duration(
        &mut self,
        field: &str,
        value: Duration,
        bounds: RangeInclusive<Duration>,
        why: &str,
    ) {
        if !bounds.contains(&value) {
            let (low, high) = bounds.into_inner();
            let reason = format!(
                "{} ms is not between {} ms and {} ms: {why}",
                value.as_millis(),
                low.as_millis(),
                high.as_millis()
            );
            let nearest = Nearest::Millis(value.clamp(low, high));
            self.push(field, reason, Some(nearest));
        }
    }

    pub(crate) fn count(
        &mut self,
        field: &str,
        value: u64,
        bounds: RangeInclusive<u64>,
        why: &str,
    ) {
        if !bounds.contains(&value) {
            let (low, high) = bounds.into_inner();
            let reason = format!("{value} is not between {low} and {high}: {why}");
            self.push(field, reason, Some(Nearest::Count(value.clamp(low, high))));
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_result(self) -> Result<(), InvalidSettings> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(InvalidSettings { faults: self.0 })
        }
    }
}
