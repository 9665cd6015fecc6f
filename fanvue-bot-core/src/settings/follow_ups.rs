//! Whether, when and how often a silent fan is written to once more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{Faults, minutes};
use super::millis;

/// When a fan who does not answer our reply gets one nudge.
///
/// There is at most one in each silence, and none for a fan who never wrote, said goodbye or wants no messages.
/// Switching it off acts on silences that last already; switching it on does not, or fans would be nudged for what was
/// said last year, and `after` is that of the time when the silence began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FollowUps {
    /// Whether there are any. Default: no, since nobody asked for that message: a person decides that it is sent.
    pub enabled: bool,
    /// After how long a silence. Default: 48 h; who has not answered for two days was not just busy. 1 h to 30 days.
    #[serde(with = "millis")]
    pub after: Duration,
    /// How long after one nudge there is no other for the same fan, whatever they answered. Default: 3 days, so that
    /// it stays a rare thing. 1 day to 1 year.
    #[serde(with = "millis")]
    pub apart: Duration,
}

impl Default for FollowUps {
    fn default() -> Self {
        Self {
            enabled: false,
            after: DAY * 2,
            apart: DAY * 3,
        }
    }
}

const DAY: Duration = minutes(24 * 60);

impl FollowUps {
    /// One nudge in a silence of `after`, at least `apart` from the one before.
    #[must_use]
    pub const fn after(after: Duration, apart: Duration) -> Self {
        Self {
            enabled: true,
            after,
            apart,
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        faults.duration(
            "follow_ups.after",
            self.after,
            minutes(60)..=DAY * 30,
            "a fan who has not answered for so short a time may yet, and after a longer one does not remember",
        );
        faults.duration(
            "follow_ups.apart",
            self.apart,
            DAY..=DAY * 365,
            "who is nudged more often is pestered, and to send none they are switched off",
        );
    }
}
