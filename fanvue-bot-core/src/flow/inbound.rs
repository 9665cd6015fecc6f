//! Messages that arrive: from the fan, and in the creator's name.

use super::Step;
use crate::conversation::{PendingMessage, Phase, Turn, Unattributed};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::id::MessageId;
use crate::time::Timestamp;

impl Step<'_> {
    pub(super) fn fan_message(&mut self, id: MessageId, sent_at: Timestamp, fetched: bool) {
        if self.is_known(id) {
            return;
        }
        if let Some(outcome) = self.gate() {
            return self.decide(id, outcome);
        }
        // A late event: a human has written since, and had this message before them.
        if self
            .next
            .last_human_at
            .is_some_and(|human| sent_at <= human)
        {
            let until = self.next.paused_until.unwrap_or(self.now());
            return self.decide(id, Outcome::PausedByHuman { until });
        }
        let arrived_at = self.now();
        self.next.pending.push(PendingMessage {
            id,
            sent_at,
            arrived_at,
            fetched,
        });
        if let Some(until) = self.pause() {
            return self.decide(id, Outcome::PausedByHuman { until });
        }
        self.settle_again();
        let until = self.next.wake_at().unwrap_or(arrived_at);
        self.decide(id, Self::waiting(until, WaitCause::Settling));
    }

    pub(super) fn creator_message(
        &mut self,
        id: MessageId,
        sent_at: Timestamp,
        text: Option<&str>,
    ) {
        if let Some(turn) = &self.next.turn
            && let Phase::Sending { reply, intent } | Phase::Reconciling { reply, intent, .. } =
                &turn.phase
        {
            let draft = super::DraftId {
                turn: turn.id,
                draft: turn.draft,
            };
            let newer = intent.after.is_none_or(|after| sent_at >= after);
            match text {
                Some(text) if text == &**reply.text() && newer => {
                    return self.sent(draft, id, sent_at);
                }
                Some(_) => {}
                None if !newer => {}
                None => {
                    if self.next.unattributed.iter().all(|known| known.id != id) {
                        self.next.unattributed.push(Unattributed { id, sent_at });
                    }
                    return;
                }
            }
        }
        self.next.unattributed.retain(|known| known.id != id);
        self.human_wrote(sent_at);
    }

    /// A human has the conversation now: whatever the fan had written before is theirs.
    pub(super) fn human_wrote(&mut self, sent_at: Timestamp) {
        self.next.last_human_at = self.next.last_human_at.max(Some(sent_at));
        let until = sent_at + self.context.creator.settings.human_pause;
        self.next.paused_until = self.next.paused_until.max(Some(until));

        let (theirs, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut self.next.pending)
            .into_iter()
            .partition(|message| message.sent_at <= sent_at);
        self.next.pending = ours;
        for message in &theirs {
            self.decide(message.id, Outcome::PausedByHuman { until });
        }
        if self.in_flight() {
            return;
        }
        if let Some(until) = self.pause() {
            self.next.turn = None;
            self.mark_pending(&Outcome::PausedByHuman { until });
        } else if self.next.pending.is_empty() {
            self.next.turn = None;
        } else if self.next.turn.is_some() {
            // The event is so late that the pause is over; but what was being written does not know it.
            self.settle_again();
        }
    }

    pub(super) fn deleted(&mut self, id: MessageId) {
        let before = self.next.pending.len();
        self.next.pending.retain(|message| message.id != id);
        if self.next.pending.len() == before {
            return;
        }
        self.decide(
            id,
            Outcome::Blocked {
                rule: Rule::Deleted,
            },
        );
        if self.in_flight() {
            return;
        }
        if self.next.pending.is_empty() {
            self.next.turn = None;
        } else if let Some(Turn {
            phase: Phase::AwaitingApproval { .. } | Phase::Pacing { .. },
            ..
        }) = self.next.turn
        {
            self.settle_again();
        }
    }

    pub(super) fn fetched(&mut self, ids: &[MessageId]) {
        for message in &mut self.next.pending {
            if ids.contains(&message.id) {
                message.fetched = true;
            }
        }
    }

    fn is_known(&self, id: MessageId) -> bool {
        let answered = match &self.next.turn {
            Some(Turn {
                phase: Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. },
                ..
            }) => intent.answers.as_slice(),
            _ => &[],
        };
        self.next
            .pending
            .iter()
            .chain(answered)
            .any(|message| message.id == id)
    }
}
