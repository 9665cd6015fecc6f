//! How long a finished reply is held back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{Faults, Nearest, minutes};
use super::millis;

/// How long a finished reply is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pace", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pace {
    /// Not at all.
    Immediate,
    /// For about as long as a person would take to type it: short while both are in a live exchange,
    /// longer after a silence.
    Natural {
        /// A reply within this time of the last one counts as a live exchange. Default: 45 s. At most 1 h.
        #[serde(with = "millis")]
        live_within: Duration,
        /// The shortest hold outside a live exchange. Default: 20 s. At most `longest`.
        #[serde(with = "millis")]
        shortest: Duration,
        /// The longest hold outside a live exchange. Default: 180 s. At most 24 h.
        #[serde(with = "millis")]
        longest: Duration,
    },
}

impl Pace {
    /// As a person's: short within `live_within` of the last reply, else between `shortest` and `longest`.
    #[must_use]
    pub const fn natural(live_within: Duration, shortest: Duration, longest: Duration) -> Self {
        Self::Natural {
            live_within,
            shortest,
            longest,
        }
    }

    pub(super) fn check(self, faults: &mut Faults) {
        let Self::Natural {
            live_within,
            shortest,
            longest,
        } = self
        else {
            return;
        };
        let day = minutes(24 * 60);
        faults.duration(
            "pace.live_within",
            live_within,
            Duration::ZERO..=minutes(60),
            "after an hour nobody is in a live exchange",
        );
        if shortest > longest {
            faults.push(
                "pace.shortest",
                format!(
                    "{} ms is longer than pace.longest, which is {} ms",
                    shortest.as_millis(),
                    longest.as_millis()
                ),
                Some(Nearest::Millis(longest.min(day))),
            );
        }
        faults.duration(
            "pace.longest",
            longest,
            Duration::ZERO..=day,
            "a reply that is held back longer answers nothing any more",
        );
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::Natural {
            live_within: Duration::from_secs(45),
            shortest: Duration::from_secs(20),
            longest: Duration::from_secs(180),
        }
    }
}
