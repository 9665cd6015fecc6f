//! From a reply that may be sent to one that was: intent, send, outcome.

use super::{DraftId, Effect, SentReply, Step};
use crate::conversation::{
    Clearance, DeliveryState, PendingMessage, Phase, Purpose, Reply, SendIntent, Turn,
};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::draft::DraftState;
use crate::id::MessageId;
use crate::settings::Mode;
use crate::time::Timestamp;

impl Step<'_> {
    /// The last look before sending: whatever forbids it now has been taken in by the steps before, or is
    /// checked here. What passes is committed as an intent before the request leaves.
    pub(super) fn chat_read(&mut self, draft: DraftId, newest: Option<Timestamp>) {
        let now = self.now();
        let timing = self.context.timing;
        let (dry_run, mode) = (self.settings.dry_run, self.settings.mode);
        if self.gate().is_some() || self.pause().is_some() || self.context.ceiling.is_stopped() {
            return;
        }
        if self.held_by_quiet_hours(now).is_some() {
            return;
        }
        let Some(turn) = self.current(draft) else {
            return;
        };
        let Phase::Pacing { reply, until } = &turn.phase else {
            return;
        };
        if *until > now {
            return;
        }
        let reply = reply.clone();
        // The settings may be others than when the reply was written.
        if dry_run {
            self.next.turn = None;
            return self.conclude_pending(&Outcome::Blocked { rule: Rule::DryRun });
        }
        if turn.clearance == Clearance::Broadcast {
            if let Some(why) = self.out_of_place(newest) {
                self.next.turn = None;
                self.undelivered = Some(DeliveryState::Skipped { why });
                return;
            }
        } else if mode == Mode::Draft && turn.clearance != Clearance::Approved {
            return self.await_approval(reply);
        }
        let answers = std::mem::take(&mut self.next.pending);
        let intent = SendIntent {
            answers,
            after: newest,
            at: now,
            valid_until: now + timing.settled_within,
        };
        if let Some(turn) = &mut self.next.turn {
            turn.phase = Phase::Sending {
                reply: reply.clone(),
                intent,
            };
        }
        self.effect = Some(Effect::Send {
            draft,
            reply,
            begin_by: now + timing.begin_within,
        });
    }

    pub(super) fn sent(&mut self, draft: DraftId, message: MessageId, sent_at: Timestamp) {
        if let Some((reply, intent)) = self.open_send(draft) {
            self.progress();
            self.replied(&intent.answers, reply, message, sent_at);
        }
    }

    /// The turn ends with this message of ours, which answers `answers`.
    pub(super) fn replied(
        &mut self,
        answers: &[PendingMessage],
        reply: Reply,
        message: MessageId,
        sent_at: Timestamp,
    ) {
        self.mark_draft(DraftState::Sent { message });
        let Some(Turn {
            id: turn,
            clearance,
            purpose,
            ..
        }) = self.next.turn.take()
        else {
            return;
        };
        let newest = answers
            .iter()
            .max_by_key(|message| (message.sent_at, message.id))
            .map(|message| message.id);
        for answered in answers {
            self.decide(
                answered.id,
                if Some(answered.id) == newest {
                    Outcome::Replied { turn }
                } else {
                    Outcome::Merged { turn }
                },
            );
        }
        self.next.last_reply_at = Some(self.now());
        // A nudge ends no silence, and after it there is no other one.
        if purpose != Purpose::FollowUp {
            self.begin_silence(answers);
        }
        self.sent = Some(SentReply {
            message,
            reply,
            turn,
            clearance,
            sent_at,
        });
        self.attribute_rest(Some(message));
    }

    /// Back to the last look; the same reply goes out when it passes again.
    pub(super) fn not_sent(&mut self, draft: DraftId) {
        if let Some((reply, intent)) = self.open_send(draft) {
            self.take_back(reply, intent);
        }
    }

    pub(super) fn send_refused(&mut self, draft: DraftId, outcome: &Outcome) {
        let Some((_, intent)) = self.open_send(draft) else {
            return;
        };
        self.progress();
        self.mark_draft(DraftState::Failed);
        self.will_not_deliver(outcome);
        self.next.turn = None;
        for message in intent.answers {
            self.decide(message.id, outcome.clone());
        }
        self.attribute_rest(None);
    }

    pub(super) fn send_unclear(&mut self, draft: DraftId) {
        let next_check = self.now() + self.context.timing.first_check;
        self.reconcile(Some(draft), next_check);
    }

    /// A send whose runner has not reported in time: it crashed, or lost its lease.
    pub(super) fn overdue_send(&mut self) {
        let now = self.now();
        if let Some(Turn {
            phase: Phase::Sending { intent, .. },
            ..
        }) = &self.next.turn
            && intent.valid_until <= now
        {
            self.reconcile(None, now);
        }
    }

    pub(super) fn not_found(&mut self, draft: DraftId) {
        let now = self.now();
        let timing = self.context.timing;
        let Some(turn) = self.current(draft) else {
            return;
        };
        let Phase::Reconciling {
            next_check, misses, ..
        } = &mut turn.phase
        else {
            return;
        };
        if *next_check > now {
            // A second report on the same look.
            return;
        }
        *misses = misses.saturating_add(1);
        let search_on = *misses < timing.misses;
        if search_on {
            *next_check = now + timing.recheck;
        }
        self.progress();
        if search_on {
            return;
        }
        if let Some((reply, intent)) = self.open_send(draft) {
            self.take_back(reply, intent);
        }
    }

    fn reconcile(&mut self, draft: Option<DraftId>, next_check: Timestamp) {
        let Some(turn) = &mut self.next.turn else {
            return;
        };
        if draft.is_some_and(|draft| draft.turn != turn.id || draft.draft != turn.draft) {
            return;
        }
        let Phase::Sending { reply, intent } = &turn.phase else {
            return;
        };
        let (reply, intent) = (reply.clone(), intent.clone());
        let answers: Vec<MessageId> = intent.answers.iter().map(|message| message.id).collect();
        turn.phase = Phase::Reconciling {
            reply,
            intent,
            next_check,
            misses: 0,
        };
        for id in answers {
            self.decide(id, self.waiting(next_check, WaitCause::Reconciling));
        }
    }

    /// The reply and intent of `draft`, if its outcome is still open.
    fn open_send(&mut self, draft: DraftId) -> Option<(Reply, SendIntent)> {
        match &self.current(draft)?.phase {
            Phase::Sending { reply, intent } | Phase::Reconciling { reply, intent, .. } => {
                Some((reply.clone(), intent.clone()))
            }
            _ => None,
        }
    }

    /// The reply did not go out: what it answers is owed an answer again, before what came later.
    fn take_back(&mut self, reply: Reply, intent: SendIntent) {
        let now = self.now();
        let later = std::mem::replace(&mut self.next.pending, intent.answers);
        // A newer message of the fan makes the reply stale.
        let stale = !later.is_empty();
        self.next.pending.extend(later);
        let answers_nobody = self.next.turn.as_ref().is_some_and(Turn::answers_nobody);
        if self.next.pending.is_empty() && !answers_nobody {
            // The fan took back all that it answered.
            self.next.turn = None;
        }
        if let Some(turn) = &mut self.next.turn {
            // A new draft either way, so that a late outcome of this send is not taken for the next one's.
            let (clearance, tried) = (turn.clearance, turn.draft);
            turn.begin_draft(if stale {
                Phase::Composing {
                    since: now,
                    repair: None,
                    instruction: None,
                }
            } else {
                Phase::Pacing { reply, until: now }
            });
            if stale && turn.purpose == Purpose::FollowUp {
                turn.purpose = Purpose::Answer;
            }
            if !stale {
                turn.clearance = clearance;
                let (turn, draft) = (turn.id, turn.draft);
                self.draft_is_tried_again(turn, tried, draft);
            }
        }
        self.mark_pending(&self.waiting(now, WaitCause::Retrying));
        self.attribute_rest(None);
    }

    /// Our send is settled: whatever else went out meanwhile in the creator's name was a human's.
    pub(super) fn attribute_rest(&mut self, ours: Option<MessageId>) {
        for message in std::mem::take(&mut self.next.unattributed) {
            if Some(message.id) != ours {
                self.human_wrote(message.sent_at);
                self.by_human.push(message);
            }
        }
    }
}
