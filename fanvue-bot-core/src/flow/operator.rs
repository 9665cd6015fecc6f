//! What a person does about a conversation.

use super::{DraftId, Step};
use crate::conversation::{Clearance, Hold, Phase, Reply};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::settings::Overrides;
use crate::time::Timestamp;

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperatorAction {
    /// Send the reply that waits for approval, as it is or as edited. One that was superseded meanwhile
    /// is not sent.
    Approve {
        /// Which draft was read.
        draft: DraftId,
        /// The edited text, if any.
        edited: Option<Reply>,
    },
    /// Drop the reply that waits for approval.
    Reject {
        /// Which draft was read.
        draft: DraftId,
    },
    /// Keep the bot out until this time.
    Pause {
        /// Until when.
        until: Timestamp,
    },
    /// Let the bot go on now.
    Resume,
    /// Try now what failed and is put off.
    TryNow,
    /// These settings are different for this fan from now on, and none besides.
    Override(Box<Overrides>),
    /// The fan wants no automatic answers.
    OptOut,
    /// The fan takes automatic answers again. Lifts what their words had stopped, too.
    OptIn,
}

impl Step<'_> {
    pub(super) fn operator(&mut self, action: OperatorAction) {
        let now = self.now();
        match action {
            OperatorAction::Approve { draft, edited } => {
                if let Some(turn) = self.current(draft)
                    && let Phase::AwaitingApproval { reply } = &turn.phase
                {
                    let reply = edited.unwrap_or_else(|| reply.clone());
                    turn.phase = Phase::Pacing { reply, until: now };
                    turn.clearance = Clearance::Approved;
                    self.mark_pending(&self.waiting(now, WaitCause::Pacing));
                }
            }
            OperatorAction::Reject { draft } => {
                if let Some(turn) = self.current(draft)
                    && matches!(turn.phase, Phase::AwaitingApproval { .. })
                {
                    self.next.turn = None;
                    self.conclude_pending(&Outcome::Blocked {
                        rule: Rule::Rejected,
                    });
                }
            }
            OperatorAction::Pause { until } => {
                self.next.paused_until = Some(until);
                if self.pause().is_some() {
                    if !self.in_flight() {
                        self.next.turn = None;
                    }
                    self.mark_pending(&Outcome::PausedByHuman { until });
                }
            }
            OperatorAction::Resume => self.next.paused_until = None,
            OperatorAction::TryNow => {
                if let Some(hold) = self.held() {
                    self.next.hold = Some(Hold { until: now, ..hold });
                    if let Some(until) = self.next.goes_on_at() {
                        self.mark_owed(&self.waiting(until, WaitCause::Retrying));
                    }
                }
            }
            OperatorAction::Override(overrides) => {
                self.next.overrides = *overrides;
                self.settings = self.context.creator.settings.with(&self.next.overrides);
            }
            OperatorAction::OptOut => self.next.opted_out = true,
            OperatorAction::OptIn => {
                self.next.opted_out = false;
                self.next.stopped = None;
            }
        }
    }
}
