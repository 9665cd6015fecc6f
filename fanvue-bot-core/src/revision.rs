//! Optimistic concurrency: what was read carries a revision, and a write names the one it builds on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a stored value; grows by at least one with each write of that value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a value written once.
    pub const FIRST: Self = Self(1);

    /// The revision with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A stored value and the revision it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// What to pass as `expected` when writing a successor.
    pub revision: Revision,
}

impl<T> Versioned<T> {
    /// `value` as read at `revision`.
    pub const fn new(value: T, revision: Revision) -> Self {
        Self { value, revision }
    }
}
