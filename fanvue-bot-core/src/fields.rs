//! The text in which a register keeps a few plain values: one `name value` a line. What a newer version added
//! is passed over, and what is missing has a default or makes the value count as none.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::time::Timestamp;

/// Writes values, one a line.
#[derive(Debug, Default)]
pub(crate) struct FieldsWriter(String);

impl FieldsWriter {
    /// Adds a value. One with a line break is left out: it would not read back.
    pub(crate) fn add(&mut self, name: &str, value: impl fmt::Display) {
        let start = self.0.len();
        // Writing to a string does not fail.
        let _ = write!(self.0, "{name} {value}");
        if self.0[start..].contains('\n') {
            self.0.truncate(start);
        } else {
            self.0.push('\n');
        }
    }

    /// Adds a time, in microseconds since 1970.
    pub(crate) fn time(&mut self, name: &str, time: Timestamp) {
        self.add(name, time.as_micros());
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Reads what [`FieldsWriter`] wrote.
#[derive(Debug)]
pub(crate) struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .collect(),
        )
    }

    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.parse().ok()
    }

    /// The times whose names read as `T`.
    pub(crate) fn times<T: FromStr + Ord>(&self) -> BTreeMap<T, Timestamp> {
        self.0
            .keys()
            .filter_map(|name| Some((name.parse().ok()?, self.time(name)?)))
            .collect()
    }

    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        self.get(name).map(Timestamp::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_the_rest_is_passed_over() {
        let mut fields = FieldsWriter::default();
        fields.add("count", 7);
        fields.add("text", "two words ");
        fields.add("broken", "two\nlines");
        fields.time("at", Timestamp::from_seconds(-3));
        let text = fields.into_text() + "nonsense\nnew 1\n";
        let fields = Fields::read(&text);
        assert_eq!(fields.get("count"), Some(7));
        assert_eq!(fields.get("text"), Some("two words ".to_owned()));
        assert_eq!(fields.get::<String>("broken"), None);
        assert_eq!(fields.time("at"), Some(Timestamp::from_seconds(-3)));
        assert_eq!(fields.get::<u32>("text"), None);
    }
}
