//! A turn from its begin to a reply that may be sent.

use std::time::Duration;

use super::{DraftId, Step, pace};
use crate::conversation::{Clearance, Phase, Purpose, Reply, Turn};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::draft::DraftState;
use crate::settings::{Mode, Settings};

impl Step<'_> {
    /// Begins a turn for what is pending, or for what the fan may write along with what they paid.
    pub(super) fn begin_turn_for(&mut self, purpose: Purpose) {
        let (window, longest) = (self.settings.settle_window, self.settings.longest_settle);
        let arrivals = self.next.pending.iter().map(|message| message.arrived_at);
        let oldest = arrivals.clone().min().unwrap_or(self.now());
        let newest = arrivals.max().unwrap_or(self.now());
        // What has waited long enough already, for a send or a human, need not settle again.
        let latest = (oldest + longest).max(self.now());
        let until = (newest + window).clamp(self.now(), latest);
        self.next.last_turn = self.next.last_turn.next();
        self.next.turn = Some(Turn {
            id: self.next.last_turn,
            seed: self.context.seed.derive("turn"),
            draft: 1,
            clearance: Clearance::Automatic,
            purpose,
            phase: Phase::Settling { until, latest },
        });
        // Some may still be marked as left to a human, or as part of a send.
        self.mark_pending(&self.waiting(until, WaitCause::Settling));
    }

    /// Waits for the end of the burst: begins a turn, or takes the running one back to settling, its draft
    /// superseded. A reply that may be on its way is left alone.
    pub(super) fn settle_again(&mut self) {
        let now = self.now();
        let window = self.settings.settle_window;
        let longest = self.settings.longest_settle;
        let oldest = self.next.pending.iter().map(|m| m.arrived_at).min();
        match &mut self.next.turn {
            None => self.begin_turn_for(Purpose::Answer),
            Some(turn) => match &mut turn.phase {
                Phase::Settling { until, latest } => {
                    *until = (now + window).min(*latest).max(*until)
                }
                Phase::Composing { .. } | Phase::AwaitingApproval { .. } | Phase::Pacing { .. } => {
                    // Counted from the oldest message, or a fan who keeps writing would wait anew with
                    // every draft.
                    let latest = (oldest.unwrap_or(now) + longest).max(now);
                    let until = (now + window).min(latest);
                    turn.begin_draft(Phase::Settling { until, latest });
                    self.mark_pending(&self.waiting(until, WaitCause::Settling));
                }
                Phase::Sending { .. } | Phase::Reconciling { .. } => {}
            },
        }
    }

    pub(super) fn composed(&mut self, draft: DraftId, reply: Reply) {
        let now = self.now();
        let Settings {
            dry_run,
            mode,
            pace,
            ..
        } = *self.settings;
        let since_last = self.next.last_reply_at.map(|at| now.since(at));
        let oldest = self.next.pending.iter().map(|m| m.arrived_at).min();
        if !matches!(
            self.current(draft).map(|turn| &turn.phase),
            Some(Phase::Composing { .. })
        ) {
            return;
        }
        self.progress();
        if dry_run {
            self.next.turn = None;
            return self.conclude_pending(&Outcome::Blocked { rule: Rule::DryRun });
        }
        if mode == Mode::Draft {
            return self.await_approval(reply);
        }
        let Some(turn) = self.current(draft) else {
            return;
        };
        let mut hold = pace::hold(pace, reply.text(), since_last, turn.seed.derive("pace"));
        if turn.draft > 1 {
            // Or a fan who keeps writing would be put off anew with every line, and never answered.
            hold = hold.saturating_sub(oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        }
        let until = now + hold;
        turn.phase = Phase::Pacing { reply, until };
        if !hold.is_zero() {
            self.mark_pending(&self.waiting(until, WaitCause::Pacing));
        }
    }

    pub(super) fn unusable(&mut self, draft: DraftId, problem: Box<str>) {
        let now = self.now();
        let Some(turn) = self.current(draft) else {
            return;
        };
        let Phase::Composing {
            repair,
            instruction,
            ..
        } = &turn.phase
        else {
            return;
        };
        let (repairable, instruction) = (repair.is_none(), instruction.clone());
        self.progress();
        if repairable && let Some(turn) = self.current(draft) {
            turn.begin_draft(Phase::Composing {
                since: now,
                repair: Some(problem),
                instruction,
            });
        } else {
            self.next.turn = None;
            self.conclude_pending(&Outcome::NoSafeReply { problem });
        }
    }

    /// A reply that may be on its way is not given up: it may reach the fan yet, and whoever does not
    /// search for it would take it for a human's.
    pub(super) fn give_up(&mut self, cause: &str) {
        if self.in_flight() {
            return self.park(WaitCause::Retrying);
        }
        self.mark_draft(DraftState::Failed);
        let outcome = Outcome::Failed {
            cause: cause.into(),
        };
        self.will_not_deliver(&outcome);
        self.next.turn = None;
        self.conclude_pending(&outcome);
        // It may be the reading of their words that fails.
        self.next.unread.clear();
    }
}

impl Turn {
    /// Whether it is there although the fan is owed no answer.
    pub(super) fn answers_nobody(&self) -> bool {
        self.clearance == Clearance::Broadcast || self.purpose != Purpose::Answer
    }

    /// Goes on with a new draft: what was asked for, written or approved before is void.
    pub(super) fn begin_draft(&mut self, phase: Phase) {
        self.draft = self.draft.saturating_add(1);
        self.clearance = Clearance::Automatic;
        if matches!(phase, Phase::Settling { .. }) && self.purpose == Purpose::FollowUp {
            // Only somebody who wrote makes a turn settle again.
            self.purpose = Purpose::Answer;
        }
        self.phase = phase;
    }
}
