//! Lists in pages.

use std::fmt;

/// An opaque place in a list, from the page before; its content is the adapter's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Wraps an adapter's own text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The adapter's own text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// How many items at most; an adapter may answer with fewer, also in the middle of a list.
    pub limit: usize,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// The first `limit` items.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { limit, after: None }
    }

    /// The next `limit` items after `cursor`.
    #[must_use]
    pub const fn after(limit: usize, cursor: Cursor) -> Self {
        Self {
            limit,
            after: Some(cursor),
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Page<T> {
    /// The items, in the order that the call documents.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end of the list.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A list that ends here.
    #[must_use]
    pub const fn last(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
