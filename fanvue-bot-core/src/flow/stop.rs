//! The stop of the whole deployment: what is to be done is held, and nothing of it is lost.

use super::Step;
use crate::conversation::{Hold, Phase};
use crate::decision::{Outcome, WaitCause};

impl Step<'_> {
    /// Holds what is due while everything is stopped, and lets it go when it no longer is. A send whose
    /// outcome is open is still searched for, which sends nothing.
    ///
    /// It is looked again from time to time, so that nobody waits for ever if the call that lets the
    /// deployment go on ends halfway.
    pub(super) fn keep_stopped(&mut self) {
        let before = self
            .next
            .hold
            .take_if(|hold| hold.cause == WaitCause::Stopped);
        let due = match self.next.turn.as_ref().map(|turn| &turn.phase) {
            Some(Phase::Settling { until, .. }) => (*until, WaitCause::Settling),
            Some(Phase::Composing { since, .. }) => (*since, WaitCause::Composing),
            Some(Phase::Pacing { until, .. }) => (*until, WaitCause::Pacing),
            _ => return,
        };
        let now = self.now();
        if self.context.ceiling.is_stopped() {
            let cause = WaitCause::Stopped;
            let until = now + self.context.timing.longest_look;
            self.next.hold = Some(Hold {
                since: before.map_or(now, |hold| hold.since),
                until,
                cause,
            });
            if before.is_none_or(|hold| hold.until != until) {
                self.mark_pending(&Outcome::Waiting { until, cause });
            }
        } else if before.is_some_and(|hold| hold.until > now) {
            self.mark_pending(&self.waiting(due.0.max(now), due.1));
        }
    }
}
