//! Messages that arrive: from the fan, and in the creator's name.

use std::sync::Arc;

use super::{DraftId, Step};
use crate::conversation::{NoFollowUp, PendingMessage, Phase, Reply, Turn, Unattributed};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::id::MessageId;
use crate::time::Timestamp;

/// Of how many messages the words are fetched to which no answer is owed. Of a fan who writes more while nobody
/// may answer, the latest say what counts.
const MOST_UNREAD: usize = 20;

impl Step<'_> {
    pub(super) fn fan_message(&mut self, id: MessageId, sent_at: Timestamp, fetched: bool) {
        if self.is_known(id) {
            return;
        }
        self.end_silence(NoFollowUp::Answered);
        self.next.last_fan_at = self.next.last_fan_at.max(Some(sent_at));
        let arrived_at = self.now();
        let message = PendingMessage {
            id,
            sent_at,
            arrived_at,
            fetched,
        };
        if let Some(outcome) = self.gate() {
            self.leave(message);
            return self.decide(id, outcome);
        }
        // A late event: a human has written since, and had this message before them.
        if self
            .next
            .last_human_at
            .is_some_and(|human| sent_at <= human)
        {
            let until = self.next.paused_until.unwrap_or(arrived_at);
            self.leave(message);
            return self.decide(id, Outcome::PausedByHuman { until });
        }
        self.next.pending.push(message);
        if let Some(until) = self.pause() {
            return self.decide(id, Outcome::PausedByHuman { until });
        }
        self.settle_again();
        let until = self.next.goes_on_at().unwrap_or(arrived_at);
        self.decide(id, self.waiting(until, WaitCause::Settling));
    }

    pub(super) fn creator_message(
        &mut self,
        id: MessageId,
        sent_at: Timestamp,
        text: Option<&Arc<str>>,
    ) {
        let says = |reply: &Reply| text.is_some_and(|text| same_words(text, reply.text()));
        if let Some(turn) = &self.next.turn {
            let draft = DraftId {
                turn: turn.id,
                draft: turn.draft,
            };
            match &turn.phase {
                Phase::Sending { reply, intent } | Phase::Reconciling { reply, intent, .. } => {
                    let newer = intent.after.is_none_or(|after| sent_at >= after);
                    if newer && says(reply) {
                        return self.sent(draft, id, sent_at);
                    }
                    // Ours or a human's: the send's outcome tells, and nothing else goes out before.
                    return self.leave_open(id, sent_at, text);
                }
                // A send that counted as failed, and shows only now.
                Phase::Pacing { reply, .. }
                    if says(reply) && self.next.pending.iter().all(|m| m.sent_at <= sent_at) =>
                {
                    let reply = reply.clone();
                    let answers = std::mem::take(&mut self.next.pending);
                    return self.replied(&answers, reply, id, sent_at);
                }
                _ => {}
            }
        }
        self.human_wrote(sent_at);
    }

    fn leave_open(&mut self, id: MessageId, sent_at: Timestamp, text: Option<&Arc<str>>) {
        let text = text.map(|text| Reply::new(Arc::clone(text)));
        match self.next.unattributed.iter_mut().find(|m| m.id == id) {
            Some(known) => known.text = text.or_else(|| known.text.take()),
            None => self
                .next
                .unattributed
                .push(Unattributed { id, sent_at, text }),
        }
    }

    /// A human has the conversation now: whatever the fan had written before is theirs.
    pub(super) fn human_wrote(&mut self, sent_at: Timestamp) {
        self.end_silence(NoFollowUp::Human);
        self.next.last_human_at = self.next.last_human_at.max(Some(sent_at));
        let until = sent_at + self.settings.human_pause;
        self.next.paused_until = self.next.paused_until.max(Some(until));

        let (theirs, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut self.next.pending)
            .into_iter()
            .partition(|message| message.sent_at <= sent_at);
        self.next.pending = ours;
        for message in theirs {
            self.decide(message.id, Outcome::PausedByHuman { until });
            self.leave(message);
        }
        if let Some(until) = self.pause() {
            self.next.turn = None;
            self.mark_pending(&Outcome::PausedByHuman { until });
        } else if self.next.pending.is_empty() {
            self.next.turn = None;
        } else if self.next.turn.is_some() && self.next.history_read {
            // The event is so late that the pause is over; but what was being written does not know it.
            // Before the history is read, nothing was.
            self.settle_again();
        }
    }

    pub(super) fn deleted(&mut self, id: MessageId) {
        for message in &mut self.next.unattributed {
            if message.id == id {
                message.text = None;
            }
        }
        let sending = match &mut self.next.turn {
            Some(Turn {
                phase: Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. },
                ..
            }) => Some(&mut intent.answers),
            _ => None,
        };
        let mut owed = false;
        for messages in sending.into_iter().chain([&mut self.next.pending]) {
            let before = messages.len();
            messages.retain(|message| message.id != id);
            owed |= messages.len() < before;
        }
        self.next.unread.retain(|message| message.id != id);
        if !owed {
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
        let thanks = self.next.turn.as_ref().is_some_and(Turn::answers_nobody);
        if self.next.pending.is_empty() && !thanks {
            self.next.turn = None;
            return;
        }
        let Some(turn) = &mut self.next.turn else {
            return;
        };
        match &turn.phase {
            // What is being written may answer it.
            Phase::Composing { instruction, .. } => {
                let instruction = instruction.clone();
                turn.begin_draft(Phase::Composing {
                    since: self.context.now,
                    repair: None,
                    instruction,
                });
            }
            Phase::AwaitingApproval { .. } | Phase::Pacing { .. } => self.settle_again(),
            _ => {}
        }
    }

    /// The fan is owed no answer to this message any more; what it says is still to be known.
    pub(super) fn leave(&mut self, message: PendingMessage) {
        if message.fetched {
            return;
        }
        self.next.unread.push(message);
        let too_many = self.next.unread.len().saturating_sub(MOST_UNREAD);
        self.next.unread.drain(..too_many);
    }

    pub(super) fn fetched(&mut self, ids: &[MessageId]) {
        self.next
            .unread
            .retain(|message| !ids.contains(&message.id));
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

/// Whether two texts differ in white space at most, which services trim and rewrite.
fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}
