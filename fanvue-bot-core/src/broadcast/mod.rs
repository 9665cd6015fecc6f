//! One message to many fans.
//!
//! ```text
//!   save ──► Draft ──► Running ──► Done        recipients:  waiting ──► placed ──► sent
//!              │        │    ▲                                 │          │ ▲        skipped, with the cause
//!              ▼        ▼    │                                 │          ▼ │        failed
//!          Scheduled   Paused                                  └──────────┴─┘
//!              └────────┴──► Cancelled
//! ```
//!
//! A [`Broadcaster`] finds out who is in the [`Segment`], notes each as a recipient, and places the message in their
//! conversations, a few at a time. From there on it goes the way of a reply: a worker takes the conversation's
//! lane, looks at the chat once more, commits the intent, sends, and commits the outcome; see
//! [`flow`](crate::flow). Whatever holds a reply back holds it back, and nobody gets it twice, whoever is killed
//! when: the conversation knows which broadcasts it had, and the list of recipients only follows it.

mod broadcaster;
mod error;
mod pass;
mod port;
mod preview;
mod progress;
mod segment;
mod template;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::broadcaster::Broadcaster;
pub use self::error::{BroadcastError, InvalidBroadcast};
pub use self::pass::Advanced;
pub use self::port::{Broadcasts, Recipient, Standing};
pub use self::preview::Preview;
pub use self::progress::Progress;
pub use self::segment::Segment;
pub use self::template::Template;
use crate::id::{BroadcastId, CreatorId};
use crate::policy::DraftCheck;
use crate::settings::Faults;
use crate::time::Timestamp;

/// How long nothing may have been said in a chat before a broadcast goes to it. Default of [`Broadcast::rest`].
const REST: Duration = Duration::from_secs(24 * 3_600);
/// The longest such time: what is longer is a segment of those who are silent.
const LONGEST_REST: Duration = Duration::from_secs(30 * 86_400);

/// One message to many fans, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Broadcast {
    /// Names it. Whoever makes one draws it, so that making it twice makes one.
    pub id: BroadcastId,
    /// Whose fans.
    pub creator: CreatorId,
    /// What they get.
    pub message: Template,
    /// Who gets it.
    pub segment: Segment,
    /// Whoever wrote or was written to so short a time ago does not get it. Default: 24 h.
    #[serde(with = "crate::settings::millis", default = "rest")]
    pub rest: Duration,
    /// Where it stands.
    pub state: BroadcastState,
    /// How far it is known who is in the segment.
    #[serde(default)]
    pub gathering: Gathering,
    /// When it was made.
    pub created_at: Timestamp,
    /// When there is something to do about it next; `None` if there is nothing. Stores keep it in an indexed column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

const fn rest() -> Duration {
    REST
}

/// Where a broadcast stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BroadcastState {
    /// It is being written; nobody gets it yet.
    Draft,
    /// It begins by itself.
    Scheduled {
        /// When.
        at: Timestamp,
    },
    /// It goes out.
    Running,
    /// It goes on when an operator says so.
    Paused,
    /// An operator ended it. Those who had it have it.
    Cancelled,
    /// Nobody is left to get it.
    Done,
    /// It could not be done.
    Failed {
        /// Why, in words for an operator.
        cause: Box<str>,
    },
}

impl BroadcastState {
    /// Its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled { .. } => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
        }
    }
}

/// How far it is known who is in the segment: the lists are read one after the other, a page at a time, those that
/// are included first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gathering {
    /// How many lists are read to the end.
    #[serde(default)]
    pub lists: usize,
    /// Where in the next list to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Box<str>>,
    /// When the last list was read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Broadcast {
    /// A draft of `message` to `segment`.
    #[must_use]
    pub fn new(
        id: BroadcastId,
        creator: CreatorId,
        message: Template,
        segment: Segment,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            creator,
            message,
            segment,
            rest: REST,
            state: BroadcastState::Draft,
            gathering: Gathering::default(),
            created_at: now,
            due_at: Some(now),
        }
    }

    /// To nobody who wrote or was written to within this time.
    #[must_use]
    pub const fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// Checks what does not depend on anything stored.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with the field, the reason and the nearest valid value.
    pub fn validate(&self, policy: &dyn DraftCheck) -> Result<(), InvalidBroadcast> {
        let mut faults = Faults::default();
        self.message.check(policy, &mut faults);
        self.segment.check(&mut faults);
        faults.duration(
            "rest",
            self.rest,
            Duration::ZERO..=LONGEST_REST,
            "whoever is to be silent for longer is a matter of segment.silent_for",
        );
        InvalidBroadcast::of(faults)
    }

    /// Whether it has ended, so that nobody gets it any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(
            self.state,
            BroadcastState::Cancelled | BroadcastState::Done | BroadcastState::Failed { .. }
        )
    }
}
