//! Pages out of rows.

use fanvue_bot_core::page::{Cursor, Page, PageRequest};

/// The page of a request for no items: it goes on where it was to begin.
pub(crate) fn none_of<T>(page: &PageRequest) -> Page<T> {
    Page {
        items: Vec::new(),
        next: page.after.clone(),
    }
}

/// How many rows to read for a page of `limit`: one more tells whether there are more.
pub(crate) fn one_more_than(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// The page of the first `limit` of `rows`; if there is one more, it goes on after what `end` makes of its last item.
///
/// # Errors
/// Those of `item`, which reads a row.
pub(crate) fn page_of<R, T, E>(
    rows: &[R],
    limit: usize,
    item: impl FnMut(&R) -> Result<T, E>,
    end: impl FnOnce(&T) -> Cursor,
) -> Result<Page<T>, E> {
    let items: Vec<T> = rows
        .iter()
        .take(limit)
        .map(item)
        .collect::<Result<_, E>>()?;
    let last = items.last().filter(|_| rows.len() > limit);
    let next = last.map(end);
    Ok(Page { items, next })
}
