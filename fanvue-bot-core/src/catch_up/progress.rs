//! How far one creator's chats have been read, and when they are read next.

use std::time::Duration;

use super::CatchUpOptions;
use crate::fields::{Fields, FieldsWriter};
use crate::id::{AccountId, CreatorId};
use crate::page::Cursor;
use crate::queue::FailureNote;
use crate::time::Timestamp;

/// How far the chats of one creator's account have been read. Kept in a register of the store, where whoever
/// moves [`next_at`](Self::next_at) on is the one who polls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Whose chats. With another account everything begins anew.
    pub account: AccountId,
    /// When polling began. What is much older was there before the bot.
    pub since: Timestamp,
    /// Nobody polls before this.
    pub next_at: Timestamp,
    /// Every chat whose newest message is not newer than this has been read.
    pub swept_to: Timestamp,
    /// A walk down the list that has not come to `swept_to` yet.
    pub walk: Option<Walk>,
    /// When a poll last went well.
    pub polled_at: Option<Timestamp>,
    /// How many polls have failed since.
    pub failures: u32,
    /// Why the last one failed, if it did.
    pub failure: Option<FailureNote>,
}

/// A walk down the list of chats that was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Walk {
    /// When the newest message of all was sent, as the walk began: what is newer is for the next walk.
    pub top: Timestamp,
    /// The page to go on with; `None` is the first.
    pub page: Option<Cursor>,
}

/// How soon a walk that was interrupted goes on.
const SOON: Duration = Duration::from_secs(5);
/// The shortest wait after a failure, doubled with each further one up to the interval.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

impl Progress {
    /// Nothing is read yet; the first poll comes within an interval.
    #[must_use]
    pub fn begin(
        creator: CreatorId,
        account: AccountId,
        now: Timestamp,
        options: &CatchUpOptions,
    ) -> Self {
        Self {
            account,
            since: now,
            next_at: next_slot(creator, now, options.interval),
            swept_to: now.minus(options.answer_back),
            walk: None,
            polled_at: None,
            failures: 0,
            failure: None,
        }
    }

    /// The poll went well: the next one has its regular time, or comes soon if there is more to read.
    pub(crate) fn polled(&mut self, creator: CreatorId, now: Timestamp, interval: Duration) {
        self.polled_at = Some(now);
        self.failures = 0;
        self.failure = None;
        self.next_at = match self.walk {
            Some(_) => now + SOON.min(interval),
            // A poll that ended late does not move those after it.
            None => next_slot(creator, now + interval / 2, interval),
        };
    }

    /// The poll failed, or was told to wait.
    pub(crate) fn failed(
        &mut self,
        now: Timestamp,
        told: Option<Duration>,
        cause: FailureNote,
        interval: Duration,
    ) {
        let doubled = 1 << self.failures.min(10);
        let wait = match told {
            // After just this long there is one request, which the list of chats takes; a poll that comes back
            // each time with no more never gets to read a chat.
            Some(told) => told.max(told.saturating_mul(2 * doubled).min(interval)),
            None => SHORTEST_WAIT.saturating_mul(doubled).min(interval),
        };
        self.next_at = now + wait.max(Duration::from_secs(1));
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(cause);
    }

    /// The walk came to its end: everything up to `top` is read.
    pub(crate) fn swept(&mut self, top: Timestamp) {
        self.swept_to = self.swept_to.max(top);
        self.walk = None;
    }

    pub(crate) fn to_text(&self) -> String {
        let mut fields = FieldsWriter::default();
        fields.add("account", self.account);
        fields.time("since", self.since);
        fields.time("next", self.next_at);
        fields.time("swept", self.swept_to);
        if let Some(walk) = &self.walk {
            fields.time("walk", walk.top);
            if let Some(page) = &walk.page {
                fields.add("page", page);
            }
        }
        if let Some(at) = self.polled_at {
            fields.time("polled", at);
        }
        if let Some(failure) = &self.failure {
            fields.add("failures", self.failures);
            fields.add("failure", failure);
        }
        fields.into_text()
    }

    /// `None` if something that is needed is missing.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let fields = Fields::read(text);
        Some(Self {
            account: fields.get("account")?,
            since: fields.time("since")?,
            next_at: fields.time("next")?,
            swept_to: fields.time("swept")?,
            walk: fields.time("walk").map(|top| Walk {
                top,
                page: fields.get::<String>("page").map(Cursor::new),
            }),
            polled_at: fields.time("polled"),
            failures: fields.get("failures").unwrap_or(0),
            failure: fields.get::<String>("failure").map(FailureNote::new),
        })
    }
}

/// The creator's next moment after `now`: one in each interval, spread over it by the creator's id, so that
/// hundreds are not polled in the same second.
fn next_slot(creator: CreatorId, now: Timestamp, interval: Duration) -> Timestamp {
    let interval = i64::try_from(interval.as_micros())
        .unwrap_or(i64::MAX)
        .max(1);
    let [a, b, c, d, e, f, g, h, ..] = *creator.as_uuid().as_bytes();
    let [.., i, j, k, l, m, n, o, p] = *creator.as_uuid().as_bytes();
    let ends =
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    // Spread also where ids differ in a few bits only.
    let mixed = ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
    let offset = i64::try_from(mixed).unwrap_or(0) % interval;
    let past = (now.as_micros() - offset).rem_euclid(interval);
    Timestamp::from_micros(now.as_micros().saturating_add(interval - past))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_767_600_000)
    }

    fn creator(number: u128) -> CreatorId {
        CreatorId::from_uuid(Uuid::from_u128(number))
    }

    fn progress() -> Progress {
        let account = AccountId::from_uuid(Uuid::from_u128(2));
        Progress::begin(creator(1), account, now(), &CatchUpOptions::default())
    }

    #[test]
    fn hundreds_of_creators_are_spread_over_the_interval() {
        let mut seconds = [0; 60];
        for number in 0..600 {
            let at = next_slot(creator(number), now(), MINUTE);
            assert!(at > now() && at <= now() + MINUTE);
            seconds[usize::try_from(at.as_seconds() % 60).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|polls| *polls <= 25), "{seconds:?}");
    }

    #[test]
    fn a_creator_keeps_their_moment_also_after_a_late_poll() {
        let mut progress = progress();
        let first = progress.next_at;
        progress.polled(creator(1), first + Duration::from_secs(20), MINUTE);
        assert_eq!(progress.next_at, first + MINUTE);
        // One that ends just before its next moment is not followed by another at once.
        progress.polled(creator(1), first + Duration::from_secs(110), MINUTE);
        assert_eq!(progress.next_at, first + MINUTE * 3);
    }

    #[test]
    fn a_walk_that_was_interrupted_goes_on_soon() {
        let mut progress = progress();
        progress.walk = Some(Walk {
            top: now(),
            page: None,
        });
        progress.polled(creator(1), now(), MINUTE);
        assert_eq!(progress.next_at, now() + SOON);
    }

    #[test]
    fn after_failures_the_wait_grows_up_to_the_interval_and_what_was_told_is_obeyed() {
        let mut progress = progress();
        let mut wait = |told: Option<u64>| {
            let told = told.map(Duration::from_secs);
            progress.failed(now(), told, FailureNote::new("503"), MINUTE);
            progress.next_at.since(now()).as_secs()
        };
        assert_eq!([wait(None), wait(None), wait(None)], [5, 10, 20]);
        assert_eq!([wait(None), wait(None), wait(None)], [40, 60, 60]);
        assert_eq!([wait(Some(600)), wait(Some(0))], [600, 1]);
        progress.polled(creator(1), now(), MINUTE);
        let mut wait = |told: u64| {
            let told = Some(Duration::from_secs(told));
            progress.failed(now(), told, FailureNote::new("429"), MINUTE);
            progress.next_at.since(now()).as_secs()
        };
        assert_eq!([wait(10), wait(10), wait(10), wait(10)], [20, 40, 60, 60]);
        progress.polled(creator(1), now(), MINUTE);
        assert_eq!((progress.failures, progress.failure), (0, None));
    }

    #[test]
    fn progress_reads_back() {
        let mut later = progress();
        later.walk = Some(Walk {
            top: now(),
            page: Some(Cursor::new("p2 of 3")),
        });
        later.polled_at = Some(now());
        later.failures = 3;
        later.failure = Some(FailureNote::new("fanvue is unavailable: 503"));
        for progress in [progress(), later] {
            assert_eq!(Progress::from_text(&progress.to_text()), Some(progress));
        }
        assert_eq!(Progress::from_text(""), None);
    }

    #[test]
    fn the_format_does_not_change() {
        assert_eq!(
            progress().to_text(),
            "account 00000000-0000-0000-0000-000000000002\nsince 1767600000000000\n\
             next 1767600038243328\nswept 1767596400000000\n"
        );
    }
}
