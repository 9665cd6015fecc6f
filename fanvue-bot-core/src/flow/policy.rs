//! What a fan's words stop, and what lets it go on.

use super::Step;
use crate::conversation::{NoSellCause, Stopped};
use crate::decision::{Outcome, Rule};
use crate::id::MessageId;
use crate::policy::{Signal, Signals};
use crate::time::Timestamp;

impl Step<'_> {
    /// A message of the fan is a sign of something. What is pending is concluded with the step, since no
    /// reply may be written any more.
    pub(super) fn noticed(&mut self, message: MessageId, sent_at: Timestamp, signals: Signals) {
        let at = self.now();
        let stopped = |cause| Stopped { cause, message, at };
        // The first cause stays until an operator has looked at it.
        let cause = [Signal::Minor, Signal::Crisis]
            .into_iter()
            .find(|cause| signals.contains(*cause));
        if let Some(cause) = cause
            && self.safety_stop().is_none()
        {
            self.next.stopped = Some(stopped(cause));
        }
        if signals.contains(Signal::Farewell) {
            self.next.goodbye_at = self.next.goodbye_at.max(Some(sent_at));
            self.sell_nothing(NoSellCause::Goodbye);
        }
        if signals.contains(Signal::Upset) {
            self.sell_nothing(NoSellCause::Upset);
        }
        if signals.contains(Signal::Crisis) {
            self.sell_nothing(NoSellCause::Crisis);
        }
        let opts_out = signals.contains(Signal::OptOut);
        if !opts_out && !signals.contains(Signal::Resume) {
            return;
        }
        // Of two words on it the later one counts, in whichever order they arrive.
        if self.next.consent_at.is_some_and(|known| known > sent_at) {
            return;
        }
        self.next.consent_at = Some(sent_at);
        let wanted_none = std::mem::replace(&mut self.next.opted_out, opts_out);
        if self.safety_stop().is_none() {
            self.next.stopped = opts_out.then(|| stopped(Signal::OptOut));
        }
        if wanted_none && !opts_out {
            // It came in while the fan wanted no answer, and asks for one.
            self.fan_message(message, sent_at, true);
        }
    }

    /// Why nothing may be written to this fan before an operator has looked at it.
    pub(super) fn safety_stop(&self) -> Option<Outcome> {
        let rule = match self.next.stopped?.cause {
            Signal::Minor => Rule::Minor,
            Signal::Crisis => Rule::Crisis,
            _ => return None,
        };
        Some(Outcome::Blocked { rule })
    }
}
