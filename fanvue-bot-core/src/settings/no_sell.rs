//! For how long a fan is offered nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{Faults, minutes};
use super::millis;
use crate::conversation::NoSellCause;

/// For how long nothing is sold to a fan after what makes an offer out of place: the model is told so, and a broadcast
/// with a price skips them. 0 for no such time; each at most 1 year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NoSellWindows {
    /// After they were angry or disappointed. Default: 3 days; an offer sooner reads as not having listened.
    #[serde(with = "millis")]
    pub after_upset: Duration,
    /// After a refund or a disputed payment. Default: 14 days, in which most further disputes come.
    #[serde(with = "millis")]
    pub after_refund: Duration,
    /// After they said goodbye. Default: 24 h; the next day they may come back by themselves.
    #[serde(with = "millis")]
    pub after_goodbye: Duration,
    /// After they spoke of harming themselves, which stops the bot until an operator lets it go on; this goes on
    /// after that. Default: 30 days.
    #[serde(with = "millis")]
    pub after_crisis: Duration,
}

const DAY: Duration = minutes(24 * 60);

impl Default for NoSellWindows {
    fn default() -> Self {
        Self {
            after_upset: DAY * 3,
            after_refund: DAY * 14,
            after_goodbye: DAY,
            after_crisis: DAY * 30,
        }
    }
}

impl NoSellWindows {
    /// How long it is after this.
    #[must_use]
    pub const fn after(&self, cause: NoSellCause) -> Duration {
        match cause {
            NoSellCause::Upset => self.after_upset,
            NoSellCause::Refund | NoSellCause::Dispute => self.after_refund,
            NoSellCause::Goodbye => self.after_goodbye,
            NoSellCause::Crisis => self.after_crisis,
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        for (field, value) in [
            ("no_sell.after_upset", self.after_upset),
            ("no_sell.after_refund", self.after_refund),
            ("no_sell.after_goodbye", self.after_goodbye),
            ("no_sell.after_crisis", self.after_crisis),
        ] {
            faults.duration(
                field,
                value,
                Duration::ZERO..=DAY * 365,
                "a fan to whom nothing is ever to be sold needs guidance of their own",
            );
        }
    }
}
