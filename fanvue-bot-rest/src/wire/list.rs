//! The one envelope that all lists are read as, whichever way Fanvue pages them.

use fanvue_bot_core::page::Page;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Label, Loose, Whole};
use crate::cursor::{Place, Step};

/// A list as it arrives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T: DeserializeOwned> {
    /// Null for an empty list; an answer without it is no list.
    #[serde(deserialize_with = "items")]
    data: Vec<Loose<T>>,
    #[serde(default)]
    pagination: Loose<Pagination>,
    #[serde(default)]
    next_cursor: Loose<Label>,
    #[serde(default)]
    date_filter: Loose<DateFilter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pagination {
    page: Loose<Whole>,
    size: Loose<Whole>,
    has_more: Loose<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DateFilter {
    sent_before: Loose<Label>,
    received_before: Loose<Label>,
}

fn items<'de, D, T>(deserializer: D) -> Result<Vec<Loose<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(Option::<Vec<Loose<T>>>::deserialize(deserializer)?.unwrap_or_default())
}

impl<T: DeserializeOwned> FromAnswer for List<T> {
    fn read(object: Value) -> Result<Self, &'static str> {
        Self::deserialize(object).map_err(|_| "data: expected a list")
    }
}

impl<T: DeserializeOwned> List<T> {
    /// The items that `convert` understands, and where the list goes on after `step`.
    ///
    /// One odd item must not hide the others: it is left out and counted in the log.
    pub(crate) fn page<U>(self, step: &Step, convert: impl Fn(T) -> Option<U>) -> Page<U> {
        let next = self.next(step);
        let received = self.data.len();
        let items: Vec<U> = self
            .data
            .into_iter()
            .filter_map(|item| item.0.and_then(&convert))
            .collect();
        let skipped = received - items.len();
        if skipped > 0 {
            tracing::warn!(skipped, "left out list items without a usable id");
        }
        Page {
            items,
            next: next.and_then(|place| place.encode()),
        }
    }

    fn next(&self, step: &Step) -> Option<Place> {
        let place = self
            .before()
            .or_else(|| self.token(step))
            .or_else(|| self.offset(step))?;
        if place == step.place {
            // Asking again would get the same answer for ever.
            tracing::warn!("a list did not advance, and ends here");
            return None;
        }
        Some(place)
    }

    fn before(&self) -> Option<Place> {
        let filter = self.date_filter.0.as_ref()?;
        let time = |label: &Loose<Label>| label.0.as_ref().map(|label| label.0.clone());
        let sent = time(&filter.sent_before);
        let received = time(&filter.received_before);
        (sent.is_some() || received.is_some()).then_some(Place::Before { sent, received })
    }

    fn token(&self, step: &Step) -> Option<Place> {
        let token = self.next_cursor.0.as_ref()?.0.clone();
        let size = step.size;
        Some(Place::Token { size, token })
    }

    fn offset(&self, step: &Step) -> Option<Place> {
        let pagination = self.pagination.0.as_ref()?;
        pagination.has_more.0.filter(|more| *more)?;
        let positive = |whole: &Loose<Whole>| whole.0.map(Whole::count).filter(|count| *count > 0);
        // The server may have used another size than it was asked for.
        let end = match (positive(&pagination.page), positive(&pagination.size)) {
            (Some(page), Some(size)) => page.saturating_mul(size),
            _ => step.offset().saturating_add(step.size),
        };
        Some(Place::Offset(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanvue_bot_core::page::PageRequest;
    use serde_json::json;

    fn check(limit: usize, body: Value, items: &[i64], next: Option<&str>) {
        let step = Step::new(&PageRequest::first(limit)).unwrap();
        let list: List<Whole> = serde_json::from_value(body).unwrap();
        let page = list.page(&step, |whole| Some(whole.0));
        assert_eq!(page.items, items);
        assert_eq!(page.next.as_ref().map(|cursor| cursor.as_str()), next);
    }

    #[test]
    fn the_next_step_follows_from_what_is_present() {
        check(
            15,
            json!({"data":[1],"pagination":{"page":1,"size":15,"hasMore":true}}),
            &[1],
            Some("offset:15"),
        );
        check(
            15,
            json!({"data":[1],"pagination":{"page":3.0,"size":10.0,"hasMore":true}}),
            &[1],
            Some("offset:30"),
        );
        check(
            15,
            json!({"data":[1],"pagination":{"hasMore":true}}),
            &[1],
            Some("offset:15"),
        );
        check(
            15,
            json!({"data":[],"pagination":{"page":1,"size":15,"hasMore":false}}),
            &[],
            None,
        );
        check(
            20,
            json!({"data":[1],"nextCursor":"abc","total":null}),
            &[1],
            Some("cursor:20:abc"),
        );
        check(
            20,
            json!({"data":[1],"nextCursor":null,"total":3}),
            &[1],
            None,
        );
        check(
            20,
            json!({"data":[1],"dateFilter":{"sentBefore":"2026-01-04T00:00:00.000Z","receivedBefore":null}}),
            &[1],
            Some("before:2026-01-04T00:00:00.000Z|"),
        );
        check(20, json!({"data":[1],"dateFilter":null}), &[1], None);
        check(
            20,
            json!({"data":[1],"dateFilter":{"sentBefore":null,"receivedBefore":null}}),
            &[1],
            None,
        );
        check(20, json!({"data":null}), &[], None);
    }

    #[test]
    fn an_odd_item_does_not_hide_the_others() {
        check(20, json!({"data":[1,"x",null,2]}), &[1, 2], None);
    }

    #[test]
    fn an_answer_without_data_is_no_list() {
        assert!(serde_json::from_value::<List<Whole>>(json!({})).is_err());
        assert!(serde_json::from_value::<List<Whole>>(json!({"data":"x"})).is_err());
    }

    #[test]
    fn a_list_that_does_not_advance_ends() {
        let first = Step::new(&PageRequest::first(20)).unwrap();
        let body = json!({"data":[1],"nextCursor":"abc"});
        let list = |body: &Value| serde_json::from_value::<List<Whole>>(body.clone()).unwrap();
        let page = list(&body).page(&first, Some);
        let again = Step::new(&PageRequest::after(20, page.next.unwrap())).unwrap();
        assert_eq!(list(&body).page(&again, Some).next, None);
    }
}
