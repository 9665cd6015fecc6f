//! One page of the list of chats: which of them to read.

use super::{CatchUpOptions, OVERLAP, Progress};
use crate::time::Timestamp;

/// A chat of the list, and what is known of it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it")]
pub struct Sighting {
    /// When its newest message was sent; `None` for an empty chat.
    pub last_message_at: Option<Timestamp>,
    /// Whether its newest message is stored here.
    pub newest: Newest,
    /// How many of its messages count as unread.
    pub unread: u64,
    /// Up to when everything is stored: [`Conversation::complete_to`](crate::conversation::Conversation).
    pub complete_to: Option<Timestamp>,
}

impl Sighting {
    /// Of a chat of which it is not known what is stored, whose place on the list tells how far the walk is.
    pub(crate) const fn nothing_to_read(last_message_at: Option<Timestamp>) -> Self {
        Self {
            last_message_at,
            newest: Newest::Stored,
            unread: 0,
            complete_to: last_message_at,
        }
    }
}

/// Whether the newest message of a chat is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a yes or no with a name")]
pub enum Newest {
    /// It is, or the list does not say which it is.
    Stored,
    /// It is not.
    Missing,
}

/// What to do about a page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data of a decision")]
pub struct PagePlan {
    /// The chats to read, the most urgent first.
    pub looks: Vec<Look>,
    /// Whether everything further down the list has been read before.
    pub reached: bool,
}

/// A chat to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data of a decision")]
pub struct Look {
    /// Its place on the page.
    pub index: usize,
    /// How far back. What is older is known, or was there before the bot.
    pub from: Timestamp,
    /// Whether a fan waits for it: a message that nobody has read is certainly missing here.
    pub awaited: bool,
}

/// Which chats of a page to read. `down_to` is up to when the list has been read before.
///
/// Those of which a message is certainly missing come first, then those with unread ones; the rest are read
/// since something may be missing in their middle.
#[must_use]
pub fn plan(
    page: &[Sighting],
    progress: &Progress,
    down_to: Timestamp,
    options: &CatchUpOptions,
) -> PagePlan {
    let floor = progress.since.minus(options.answer_back);
    let mut looks: Vec<(Urgency, Look)> = page
        .iter()
        .enumerate()
        .filter_map(|(index, chat)| {
            let urgency = urgency(chat);
            let look = Look {
                index,
                from: read_from(chat, floor)?,
                awaited: urgency == Urgency::Missing,
            };
            Some((urgency, look))
        })
        .collect();
    looks.sort_by_key(|(urgency, _)| *urgency);
    // A list that is a little out of order, or whose times are a little off, must not end the walk early.
    let end = down_to.max(floor).minus(OVERLAP);
    let reached = page
        .iter()
        .filter_map(|chat| chat.last_message_at)
        .any(|at| at < end);
    PagePlan {
        looks: looks.into_iter().map(|(_, look)| look).collect(),
        reached,
    }
}

/// From where on to read a chat; `None` if there is nothing to read in it.
fn read_from(chat: &Sighting, floor: Timestamp) -> Option<Timestamp> {
    let last = chat.last_message_at?;
    match chat.complete_to {
        Some(complete_to) if last > complete_to => Some(complete_to.minus(OVERLAP).max(floor)),
        // Two messages of the same time, of which the later one was not listed yet.
        Some(complete_to) if last == complete_to && chat.newest == Newest::Missing => {
            Some(complete_to.minus(OVERLAP).max(floor))
        }
        Some(_) => None,
        None => (last >= floor).then_some(floor),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Missing,
    Unread,
    Possible,
}

fn urgency(chat: &Sighting) -> Urgency {
    match chat.newest {
        Newest::Missing if chat.unread > 0 => Urgency::Missing,
        _ if chat.unread > 0 => Urgency::Unread,
        // Most often a human's, or a mass message.
        Newest::Missing | Newest::Stored => Urgency::Possible,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::{AccountId, CreatorId};
    use uuid::Uuid;

    const BEGAN: i64 = 1_767_600_000;

    /// `seconds` after polling began.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(BEGAN + seconds)
    }

    fn progress() -> Progress {
        Progress::begin(
            CreatorId::from_uuid(Uuid::from_u128(1)),
            AccountId::from_uuid(Uuid::from_u128(2)),
            at(0),
            &CatchUpOptions::default(),
        )
    }

    fn chat(last: i64) -> Sighting {
        Sighting {
            last_message_at: Some(at(last)),
            newest: Newest::Missing,
            unread: 1,
            complete_to: None,
        }
    }

    fn known(last: i64, complete_to: i64) -> Sighting {
        Sighting {
            complete_to: Some(at(complete_to)),
            newest: Newest::Stored,
            ..chat(last)
        }
    }

    fn read(chat: Sighting) -> Option<i64> {
        let plan = plan(&[chat], &progress(), at(0), &CatchUpOptions::default());
        plan.looks
            .first()
            .map(|look| look.from.since(at(-10_000)).as_secs())
            .map(|seconds| i64::try_from(seconds).unwrap() - 10_000)
    }

    #[test]
    fn a_chat_is_read_from_where_it_is_complete() {
        let hour = 3_600;
        for (case, chat, from) in [
            ("a new chat", chat(10), Some(-hour)),
            ("shortly before polling began", chat(-hour), Some(-hour)),
            ("long before polling began", chat(-hour - 1), None),
            (
                "empty",
                Sighting {
                    last_message_at: None,
                    ..chat(0)
                },
                None,
            ),
            (
                "something new, also if it is stored",
                known(1_000, 900),
                Some(780),
            ),
            (
                "something new, also if all is read",
                Sighting {
                    unread: 0,
                    ..known(1_000, 900)
                },
                Some(780),
            ),
            ("nothing new", known(900, 900), None),
            (
                "nothing new, though unread",
                Sighting {
                    unread: 5,
                    ..known(900, 900)
                },
                None,
            ),
            ("the newest one was deleted", known(800, 900), None),
            (
                "another of the same time",
                Sighting {
                    newest: Newest::Missing,
                    ..known(900, 900)
                },
                Some(780),
            ),
            (
                "complete to a time before the bot",
                known(10, -9_000),
                Some(-hour),
            ),
        ] {
            assert_eq!(read(chat), from, "{case}");
        }
    }

    #[test]
    fn the_walk_ends_below_what_was_read_before() {
        let options = CatchUpOptions::default();
        let reached = |seconds: &[i64], down_to: i64| {
            let page: Vec<_> = seconds.iter().map(|at| known(*at, *at)).collect();
            plan(&page, &progress(), at(down_to), &options).reached
        };
        assert!(!reached(&[600, 500], 400));
        assert!(!reached(&[600, 400], 400), "the same time");
        assert!(!reached(&[600, 281], 400), "within the overlap");
        assert!(reached(&[600, 279], 400));
        assert!(!reached(&[], 400));
        // Whatever is read: what was there before the bot is not.
        assert!(reached(&[600, -3_800], -1_000_000));
    }

    #[test]
    fn what_is_certainly_missing_is_read_first() {
        let page = [
            Sighting {
                unread: 0,
                ..known(100, 1)
            },
            known(90, 1),
            Sighting {
                newest: Newest::Missing,
                ..known(80, 1)
            },
            known(70, 70),
        ];
        let plan = plan(&page, &progress(), at(0), &CatchUpOptions::default());
        let order: Vec<usize> = plan.looks.iter().map(|look| look.index).collect();
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn answering_back_can_be_ruled_out() {
        let options = CatchUpOptions::default().answer_back(Duration::ZERO);
        let look = |seconds| {
            let plan = plan(&[chat(seconds)], &progress(), at(0), &options);
            plan.looks.first().map(|look| look.from)
        };
        assert_eq!(look(-1), None);
        assert_eq!(look(0), Some(at(0)));
    }
}
