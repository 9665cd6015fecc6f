//! Quiet hours: what would go out by itself in them is held until they are over.
//!
//! Held is the whole turn, not only its send: a reply is written when it is about to go out, so that it
//! knows everything that the fan has said by then. Of a reply that is written already, the send is held.

use super::Step;
use crate::conversation::{Clearance, Hold, Phase};
use crate::decision::{Outcome, WaitCause};
use crate::settings::Mode;
use crate::time::Timestamp;

impl Step<'_> {
    /// Holds what is due in quiet hours, and lets go what is no longer, since the settings may be others
    /// than when it was held. What is put off for another reason is looked at when that ends.
    pub(super) fn keep_quiet_hours(&mut self) {
        let before = self
            .next
            .hold
            .take_if(|hold| hold.cause == WaitCause::QuietHours);
        if self.held().is_some() {
            return;
        }
        let due = match self.next.turn.as_ref().map(|turn| &turn.phase) {
            Some(Phase::Settling { until, .. }) => Some((*until, WaitCause::Settling)),
            Some(Phase::Composing { since, .. }) => Some((*since, WaitCause::Composing)),
            Some(Phase::Pacing { until, .. }) => Some((*until, WaitCause::Pacing)),
            _ => None,
        };
        let Some((due, cause)) = due else {
            return;
        };
        let due = due.max(self.now());
        if let Some(until) = self.held_by_quiet_hours(due) {
            let since = before.map_or(self.now(), |hold| hold.since);
            let cause = WaitCause::QuietHours;
            self.next.hold = Some(Hold {
                since,
                until,
                cause,
            });
            if before.is_none_or(|hold| hold.until != until) {
                self.mark_pending(&Outcome::Waiting { until, cause });
            }
        } else if before.is_some_and(|hold| hold.until > self.now()) {
            self.mark_pending(&self.waiting(due, cause));
        }
    }

    /// When what is due at `due` is done instead, if quiet hours forbid it then. A send takes a while, so
    /// none is begun that could end in them.
    ///
    /// They forbid what the bot does by itself. What an operator approved goes out, since a person decided;
    /// and what only they can let out is written for them to read. A broadcast waits: whoever wrote it decided what
    /// is said, and not that it wakes anybody.
    pub(super) fn held_by_quiet_hours(&self, due: Timestamp) -> Option<Timestamp> {
        let settings = &self.settings;
        let turn = self.next.turn.as_ref()?;
        let waits = match turn.clearance {
            Clearance::Automatic => settings.mode == Mode::Auto,
            Clearance::Approved => false,
            Clearance::Broadcast => true,
        };
        if !waits {
            return None;
        }
        let clear = self.context.timing.settled_within;
        settings.quiet_hours.held_until(due, clear, self.next.seed)
    }
}
