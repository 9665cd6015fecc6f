//! From a reply that may be sent to one that was: intent, send, outcome.

use super::{DraftId, Effect, SentReply, Step};
use crate::conversation::{Phase, SendIntent, Turn};
use crate::decision::{Outcome, WaitCause};
use crate::id::MessageId;
use crate::time::Timestamp;

impl Step<'_> {
    /// The last look before sending: whatever forbids it now has been taken in by the steps before, or is
    /// checked here. What passes is committed as an intent before the request leaves.
    pub(super) fn chat_read(&mut self, draft: DraftId, newest: Option<Timestamp>) {
        let now = self.now();
        let timing = self.context.timing;
        if self.gate().is_some() || self.pause().is_some() {
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
        let Some(intent) = self.take_intent(draft) else {
            return;
        };
        let Some(turn) = self.next.turn.take() else {
            return;
        };
        let (Phase::Sending { reply, .. } | Phase::Reconciling { reply, .. }) = turn.phase else {
            return;
        };
        let newest = intent
            .answers
            .iter()
            .max_by_key(|message| (message.sent_at, message.id))
            .map(|m| m.id);
        for answered in &intent.answers {
            let turn = turn.id;
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
        self.sent = Some(SentReply {
            message,
            reply,
            turn: turn.id,
            sent_at,
        });
        self.attribute_rest(Some(message));
    }

    /// Back to the last look; the same reply goes out when it passes again.
    pub(super) fn not_sent(&mut self, draft: DraftId) {
        let now = self.now();
        if self
            .take_intent(draft)
            .map(|intent| self.take_back(intent))
            .is_none()
        {
            return;
        }
        self.hold_again(now);
        self.mark_pending(&Self::waiting(now, WaitCause::Retrying));
    }

    pub(super) fn send_refused(&mut self, draft: DraftId, outcome: &Outcome) {
        let Some(intent) = self.take_intent(draft) else {
            return;
        };
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
        *misses += 1;
        if *misses < timing.misses {
            *next_check = now + timing.recheck;
            return;
        }
        if let Some(intent) = self.take_intent(draft) {
            self.take_back(intent);
            self.hold_again(now);
            self.attribute_rest(None);
            self.mark_pending(&Self::waiting(now, WaitCause::Retrying));
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
            self.decide(id, Self::waiting(next_check, WaitCause::Reconciling));
        }
    }

    /// The intent of `draft`, if its outcome is still open.
    fn take_intent(&mut self, draft: DraftId) -> Option<SendIntent> {
        match &self.current(draft)?.phase {
            Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. } => {
                Some(intent.clone())
            }
            _ => None,
        }
    }

    /// The messages are owed an answer again, before those that came later.
    fn take_back(&mut self, intent: SendIntent) {
        let later = std::mem::replace(&mut self.next.pending, intent.answers);
        // A newer message of the fan makes the reply stale.
        let stale = !later.is_empty();
        self.next.pending.extend(later);
        if stale && let Some(turn) = &mut self.next.turn {
            turn.draft += 1;
            turn.phase = Phase::Composing {
                since: self.context.now,
                repair: None,
            };
        }
    }

    fn hold_again(&mut self, until: Timestamp) {
        if let Some(turn) = &mut self.next.turn
            && let Phase::Sending { reply, .. } | Phase::Reconciling { reply, .. } = &turn.phase
        {
            turn.phase = Phase::Pacing {
                reply: reply.clone(),
                until,
            };
        }
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
