//! Where a list goes on. Fanvue pages lists in three ways, and which one an answer uses decides the next
//! request, whatever the path family.

use fanvue_bot_core::client::ClientError;
use fanvue_bot_core::page::{Cursor, PageRequest};

/// The most items that Fanvue puts on one page.
pub(crate) const MAX_PAGE: u64 = 50;

/// Query parameters in the order in which they are sent.
pub(crate) type Query = Vec<(&'static str, String)>;

/// A place in a list: what [`Cursor`] holds as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The beginning.
    Start,
    /// After this many items (style "page").
    Offset(u64),
    /// At Fanvue's own cursor, made for pages of this size (style "cursor").
    Token { size: u64, token: String },
    /// Before these times, as Fanvue wrote them (style "date filter").
    Before {
        sent: Option<String>,
        received: Option<String>,
    },
}

/// How a list is asked for its first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstPage {
    /// `page=1&size=…`
    Numbered,
    /// `size=…`
    Size,
    /// `limit=…`
    Limit,
}

impl FirstPage {
    const fn size_name(self) -> &'static str {
        match self {
            Self::Numbered | Self::Size => "size",
            Self::Limit => "limit",
        }
    }
}

/// One request for a part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) place: Place,
    /// How many items are asked for, 1 to [`MAX_PAGE`].
    pub(crate) size: u64,
}

impl Step {
    /// What to ask for to fulfil `request`.
    pub(crate) fn new(request: &PageRequest) -> Result<Self, ClientError> {
        let limit = u64::try_from(request.limit)
            .unwrap_or(MAX_PAGE)
            .min(MAX_PAGE);
        if limit == 0 {
            return Err(refused("a page needs a limit of at least 1"));
        }
        let place = match &request.after {
            None => Place::Start,
            Some(cursor) => Place::decode(cursor.as_str())
                .ok_or_else(|| refused("the cursor does not come from this client"))?,
        };
        let size = match &place {
            Place::Start | Place::Before { .. } => limit,
            // A numbered page starts at a multiple of its size.
            Place::Offset(offset) => (1..=limit)
                .rev()
                .find(|size| offset % size == 0)
                .unwrap_or(1),
            Place::Token { size, .. } if *size <= limit => *size,
            Place::Token { .. } => {
                return Err(refused(
                    "fanvue's cursors keep the page size they were made for; \
                     use the limit of the page before, or a higher one",
                ));
            }
        };
        Ok(Self { place, size })
    }

    /// The query parameters.
    pub(crate) fn query(&self, first: FirstPage) -> Query {
        let size = self.size.to_string();
        match &self.place {
            Place::Start if first == FirstPage::Numbered => {
                vec![("page", "1".to_owned()), ("size", size)]
            }
            Place::Start => vec![(first.size_name(), size)],
            Place::Offset(offset) => {
                let page = (offset / self.size).saturating_add(1);
                vec![("page", page.to_string()), ("size", size)]
            }
            Place::Token { token, .. } => {
                vec![("cursor", token.clone()), (first.size_name(), size)]
            }
            Place::Before { sent, received } => {
                let mut query = vec![("limit", size)];
                query.extend(sent.clone().map(|time| ("sentBefore", time)));
                query.extend(received.clone().map(|time| ("receivedBefore", time)));
                query
            }
        }
    }

    /// How many items come before this part, where that is known.
    pub(crate) const fn offset(&self) -> u64 {
        match self.place {
            Place::Offset(offset) => offset,
            _ => 0,
        }
    }
}

impl Place {
    /// The text form.
    pub(crate) fn encode(&self) -> Option<Cursor> {
        let text = match self {
            Self::Start => return None,
            Self::Offset(offset) => format!("offset:{offset}"),
            Self::Token { size, token } => format!("cursor:{size}:{token}"),
            Self::Before { sent, received } => format!(
                "before:{}|{}",
                sent.as_deref().unwrap_or_default(),
                received.as_deref().unwrap_or_default()
            ),
        };
        Some(Cursor::new(text))
    }

    fn decode(text: &str) -> Option<Self> {
        let (style, rest) = text.split_once(':')?;
        match style {
            "offset" => rest.parse().ok().map(Self::Offset),
            "cursor" => {
                let (size, token) = rest.split_once(':')?;
                let size = size.parse().ok().filter(|size| *size > 0)?;
                let token = token.to_owned();
                Some(Self::Token { size, token })
            }
            "before" => {
                let (sent, received) = rest.split_once('|')?;
                let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                Some(Self::Before {
                    sent: present(sent),
                    received: present(received),
                })
            }
            _ => None,
        }
    }
}

fn refused(message: &str) -> ClientError {
    ClientError::Rejected {
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(place: &Place, limit: usize, first: FirstPage, query: &[(&str, &str)]) {
        let request = match place.encode() {
            None => PageRequest::first(limit),
            Some(cursor) => PageRequest::after(limit, cursor),
        };
        let step = Step::new(&request).unwrap();
        assert_eq!(&step.place, place);
        let found = step.query(first);
        let found: Vec<_> = found.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(found, query);
    }

    #[test]
    fn each_style_asks_in_its_own_words() {
        use FirstPage::{Limit, Numbered, Size};
        check(
            &Place::Start,
            15,
            Numbered,
            &[("page", "1"), ("size", "15")],
        );
        check(&Place::Start, 15, Size, &[("size", "15")]);
        check(&Place::Start, 500, Limit, &[("limit", "50")]);
        check(
            &Place::Offset(30),
            15,
            Limit,
            &[("page", "3"), ("size", "15")],
        );
        let token = Place::Token {
            size: 20,
            token: "a:b|c=".to_owned(),
        };
        check(&token, 20, Size, &[("cursor", "a:b|c="), ("size", "20")]);
        check(&token, 50, Limit, &[("cursor", "a:b|c="), ("limit", "20")]);
        let before = Place::Before {
            sent: Some("2026-01-04T00:00:00.000Z".to_owned()),
            received: None,
        };
        check(
            &before,
            10,
            Limit,
            &[("limit", "10"), ("sentBefore", "2026-01-04T00:00:00.000Z")],
        );
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_in_words() {
        let check = |request: PageRequest, part: &str| {
            let error = Step::new(&request).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        check(PageRequest::first(0), "at least 1");
        for text in ["", "offset:", "offset:-1", "cursor:0:x", "before:x", "x:1"] {
            check(PageRequest::after(10, Cursor::new(text)), "does not come");
        }
        check(
            PageRequest::after(10, Cursor::new("cursor:20:x")),
            "page size",
        );
    }

    proptest! {
        #[test]
        fn a_numbered_page_starts_exactly_where_the_one_before_ended(
            offset in 0_u64..100_000,
            limit in 1_usize..200,
        ) {
            let cursor = Place::Offset(offset).encode().unwrap();
            let step = Step::new(&PageRequest::after(limit, cursor)).unwrap();
            prop_assert!(step.size >= 1 && step.size <= MAX_PAGE);
            prop_assert!(step.size <= u64::try_from(limit).unwrap());
            let query = step.query(FirstPage::Numbered);
            let page: u64 = query[0].1.parse().unwrap();
            prop_assert_eq!((page - 1) * step.size, offset);
        }
    }
}
