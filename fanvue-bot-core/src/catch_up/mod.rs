//! What the webhooks missed: which chats to read again, and from where on. Pure; the engine carries it out
//! ([`Engine::catch_up`](crate::engine::Engine::catch_up)).
//!
//! A webhook can get lost, and then nothing tells of a message but the chat itself. So each creator's list of
//! chats is read about once a minute, and every chat in which something was said since it was last read through
//! is read again. What comes to light enters by the same door as a webhook.
//!
//! Whether a chat counts as unread decides nothing: the bot marks a chat as read after a reply, and with it a
//! message whose webhook was lost a second before. What counts is the time of the newest message against
//! [`Conversation::complete_to`](crate::conversation::Conversation::complete_to), up to which everything is stored.
//!
//! ```text
//!   /chats, newest first        complete_to
//!   ├─ 12:00:40  Ben            12:00:09      read: something was said since
//!   ├─ 12:00:31  Ada            12:00:31      known
//!   ├─ 12:00:10  Kim            none          read, back to when polling began
//!   ├─ 11:59:02  ── swept_to: everything from here on down has been read ──
//!   └─ 2023-…    Old fan        none          never looked at
//! ```

mod plan;
mod progress;

use std::time::Duration;

pub use self::plan::{Look, Newest, PagePlan, Sighting, plan};
pub use self::progress::{Progress, Walk};

/// How chats are polled. A matter of the deployment, not of a creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatchUpOptions {
    /// How often each creator's chats are polled. Default: 60 s, so that what a webhook missed is found within
    /// 90 s also when one poll fails or waits for its turn.
    pub interval: Duration,
    /// How old a message may be, when an account is polled for the first time, and still be answered. What is
    /// older was there before the bot. Default: 1 h: the fans who wrote while the account was being connected
    /// are answered, and those of last week are left to whoever left them.
    pub answer_back: Duration,
    /// At most this many pages of the list of chats, of 50 each, are read at once. Default: 4; what is left
    /// follows a few seconds later.
    pub pages: usize,
    /// At most this many chats are read at once. Default: 25, a quarter of what Fanvue allows in a minute.
    pub chats: usize,
}

impl Default for CatchUpOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            answer_back: Duration::from_secs(3_600),
            pages: 4,
            chats: 25,
        }
    }
}

impl CatchUpOptions {
    /// Polling each creator this often, at least every second.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_secs(1));
        self
    }

    /// Answering what is this old when an account is polled for the first time.
    #[must_use]
    pub const fn answer_back(mut self, age: Duration) -> Self {
        self.answer_back = age;
        self
    }

    /// Reading at most so many pages of the list and so many chats at once, at least one each.
    #[must_use]
    pub fn at_once(mut self, pages: usize, chats: usize) -> Self {
        self.pages = pages.max(1);
        self.chats = chats.max(1);
        self
    }
}

/// How far apart the times that different parts of Fanvue tell may be: chats and messages are read back this much
/// further than they would have to be.
pub(crate) const OVERLAP: Duration = Duration::from_secs(120);
