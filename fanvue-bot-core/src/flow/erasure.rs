//! Erasing a conversation: it is forgotten at once, and its rows go when no send can be under way any more.

use std::time::Duration;

use super::{Effect, Step};
use crate::conversation::{Conversation, Erasure, Phase, Turn};
use crate::time::Timestamp;

/// By how much Fanvue's clock may be ahead of ours: what is known and was sent so much later is erased as well.
const SKEW: Duration = Duration::from_secs(300);

impl Step<'_> {
    /// Forgets everything but what keeps it forgotten. The numbers of turns go on, so that an outcome that is still
    /// on its way belongs to no turn of later.
    pub(super) fn erase(&mut self) {
        let now = self.now();
        let latest = now + SKEW;
        let known = self.next.pending.iter().map(|message| message.sent_at);
        let through = known.filter(|at| *at <= latest).fold(now, Timestamp::max);
        let in_flight = match &self.next.turn {
            Some(Turn {
                phase: Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. },
                ..
            }) => intent.valid_until,
            _ => now,
        };
        let before = self.next.erasure.map_or(now, |before| before.sends_until);
        self.next = Conversation {
            last_turn: self.next.last_turn,
            // What the chat holds from before is not to be read again.
            history_read: true,
            complete_to: self.next.complete_to,
            erasure: Some(Erasure {
                through,
                sends_until: now.max(in_flight).max(before),
                finished_at: None,
            }),
            ..Conversation::new(self.next.id, self.context.seed)
        };
        self.settings = self.context.settings(&self.next.overrides);
        self.decisions.clear();
    }

    /// The rows are erased that were sent at or before `through`, and what was known of the fan.
    pub(super) fn erased(&mut self, through: Timestamp) {
        let now = self.now();
        if let Some(erasure) = &mut self.next.erasure
            && erasure.through == through
            && erasure.due_at().is_some_and(|due| due <= now)
        {
            erasure.finished_at = Some(now);
            // A name that came in meanwhile went too, and is stored when it is told again.
            self.next.fan_fingerprint = 0;
        }
    }

    /// The rows that are to be erased now.
    pub(super) fn due_erasure(&self) -> Option<Effect> {
        let erasure = self.next.erasure?;
        let due = erasure.due_at().is_some_and(|due| due <= self.now());
        due.then_some(Effect::Erase {
            through: erasure.through,
        })
    }
}
