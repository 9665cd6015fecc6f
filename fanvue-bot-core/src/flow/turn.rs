//! A turn from its begin to a reply that may be sent.

use std::time::Duration;

use super::{DraftId, Step, pace};
use crate::conversation::{Clearance, Phase, Reply, Turn};
use crate::creator::Mode;
use crate::decision::{Outcome, Rule, WaitCause};

impl Step<'_> {
    /// Begins a turn for what is pending.
    pub(super) fn begin_turn(&mut self) {
        let settings = &self.context.creator.settings;
        let Some(newest) = self
            .next
            .pending
            .iter()
            .map(|message| message.arrived_at)
            .max()
        else {
            return;
        };
        // What has waited long enough already, for a send or a human, need not settle again.
        let until = (newest + settings.settle_window).max(self.now());
        let latest = (self.now() + settings.longest_settle).max(until);
        self.next.last_turn = self.next.last_turn.next();
        self.next.turn = Some(Turn {
            id: self.next.last_turn,
            seed: self.context.seed.derive("turn"),
            draft: 1,
            clearance: Clearance::Automatic,
            phase: Phase::Settling { until, latest },
        });
        // Some may still be marked as left to a human, or as part of a send.
        self.mark_pending(&Self::waiting(until, WaitCause::Settling));
    }

    /// Waits for the end of the burst: begins a turn, or takes the running one back to settling, its draft
    /// superseded. A reply that may be on its way is left alone.
    pub(super) fn settle_again(&mut self) {
        let now = self.now();
        let window = self.context.creator.settings.settle_window;
        let longest = self.context.creator.settings.longest_settle;
        match &mut self.next.turn {
            None => self.begin_turn(),
            Some(turn) => match &mut turn.phase {
                Phase::Settling { until, latest } => {
                    *until = (now + window).min(*latest).max(*until)
                }
                Phase::Composing { .. } | Phase::AwaitingApproval { .. } | Phase::Pacing { .. } => {
                    let until = now + window.min(longest);
                    let latest = now + longest;
                    turn.begin_draft(Phase::Settling { until, latest });
                    self.mark_pending(&Self::waiting(until, WaitCause::Settling));
                }
                Phase::Sending { .. } | Phase::Reconciling { .. } => {}
            },
        }
    }

    pub(super) fn composed(&mut self, draft: DraftId, reply: Reply) {
        let now = self.now();
        let settings = &self.context.creator.settings;
        let since_last = self.next.last_reply_at.map(|at| now.since(at));
        let oldest = self.next.pending.iter().map(|m| m.arrived_at).min();
        let Some(turn) = self.current(draft) else {
            return;
        };
        if !matches!(turn.phase, Phase::Composing { .. }) {
            return;
        }
        if settings.dry_run {
            self.next.turn = None;
            return self.conclude_pending(&Outcome::Blocked { rule: Rule::DryRun });
        }
        if settings.mode == Mode::Draft {
            let id = turn.id;
            turn.phase = Phase::AwaitingApproval { reply };
            return self.mark_pending(&Outcome::AwaitingApproval { turn: id });
        }
        let mut hold = pace::hold(
            settings.pace,
            reply.text(),
            since_last,
            turn.seed.derive("pace"),
        );
        if turn.draft > 1 {
            // Or a fan who keeps writing would be put off anew with every line, and never answered.
            hold = hold.saturating_sub(oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        }
        let until = now + hold;
        turn.phase = Phase::Pacing { reply, until };
        if !hold.is_zero() {
            self.mark_pending(&Self::waiting(until, WaitCause::Pacing));
        }
    }

    pub(super) fn unusable(&mut self, draft: DraftId, problem: Box<str>) {
        let now = self.now();
        let Some(turn) = self.current(draft) else {
            return;
        };
        let Phase::Composing { repair, .. } = &turn.phase else {
            return;
        };
        if repair.is_none() {
            turn.begin_draft(Phase::Composing {
                since: now,
                repair: Some(problem),
            });
        } else {
            self.next.turn = None;
            self.conclude_pending(&Outcome::Blocked {
                rule: Rule::UnsafeReply,
            });
        }
    }

    pub(super) fn give_up(&mut self, cause: &str) {
        let failed = Outcome::Failed {
            cause: cause.into(),
        };
        match self.next.turn.take() {
            Some(Turn {
                phase: Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. },
                ..
            }) => {
                for message in intent.answers {
                    self.decide(message.id, failed.clone());
                }
                self.attribute_rest(None);
            }
            _ => self.conclude_pending(&failed),
        }
    }
}

impl Turn {
    /// Goes on with a new draft: what was asked for, written or approved before is void.
    pub(super) fn begin_draft(&mut self, phase: Phase) {
        self.draft = self.draft.saturating_add(1);
        self.clearance = Clearance::Automatic;
        self.phase = phase;
    }
}
