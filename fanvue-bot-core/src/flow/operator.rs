//! What a person does about a conversation, and what comes of it.

use std::fmt;

use super::{DraftId, Step};
use crate::conversation::{Clearance, Hold, Phase, Reply};
use crate::decision::{Outcome, Rule, WaitCause};
use crate::draft::{DraftState, Note};
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
    /// Keep another text in place of the reply that waits, which goes on waiting.
    Edit {
        /// Which draft was read.
        draft: DraftId,
        /// The text.
        text: Reply,
    },
    /// Drop the reply that waits for approval.
    Reject {
        /// Which draft was read.
        draft: DraftId,
        /// Why, if they say.
        reason: Option<Note>,
    },
    /// Drop the reply that waits and have another one written.
    Regenerate {
        /// Which draft was read.
        draft: DraftId,
        /// What is wanted of it, if they say. It reaches the model as the operator's, below the policy.
        instruction: Option<Note>,
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

/// What came of an operator's action.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acted {
    /// It is done. An approved reply still goes through the last look at the chat.
    Done,
    /// It was so already.
    Unchanged,
    /// The draft waits for nobody any more.
    TooLate {
        /// What became of it before.
        state: DraftState,
    },
    /// There is no such draft, or it is so old that it is forgotten.
    NoSuchDraft,
    /// No reply may go to this fan now, whoever approves it.
    Forbidden {
        /// Why.
        outcome: Outcome,
    },
}

impl Acted {
    /// Whether the action had its effect, now or before.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Unchanged)
    }
}

impl fmt::Display for Acted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Unchanged => f.write_str("it was so already"),
            Self::TooLate { state } => write!(f, "too late: {state}"),
            Self::NoSuchDraft => f.write_str("there is no such draft"),
            Self::Forbidden { outcome } => write!(f, "no reply may go out: {outcome}"),
        }
    }
}

impl Step<'_> {
    pub(super) fn operator(&mut self, action: OperatorAction) -> Acted {
        let now = self.now();
        match action {
            OperatorAction::Approve { draft, edited } => {
                self.decide_on(draft, |step, reply| step.approve(reply, edited))
            }
            OperatorAction::Edit { draft, text } => {
                self.decide_on(draft, |step, _| step.edit(text))
            }
            OperatorAction::Reject { draft, reason } => self.decide_on(draft, |step, _| {
                step.mark_draft(DraftState::Rejected { reason });
                step.next.turn = None;
                step.conclude_pending(&Outcome::Blocked {
                    rule: Rule::Rejected,
                });
                Acted::Done
            }),
            OperatorAction::Regenerate { draft, instruction } => {
                self.decide_on(draft, |step, _| step.regenerate(instruction))
            }
            OperatorAction::Pause { until } => {
                if self.next.paused_until == Some(until) || until <= now {
                    return Acted::Unchanged;
                }
                self.next.paused_until = Some(until);
                if !self.in_flight() {
                    self.next.turn = None;
                }
                self.mark_pending(&Outcome::PausedByHuman { until });
                Acted::Done
            }
            OperatorAction::Resume => done_if(self.next.paused_until.take().is_some()),
            OperatorAction::TryNow => {
                let held = self.held();
                if let Some(hold) = held {
                    self.next.hold = Some(Hold { until: now, ..hold });
                    if let Some(until) = self.next.goes_on_at() {
                        self.mark_owed(&self.waiting(until, WaitCause::Retrying));
                    }
                }
                done_if(held.is_some())
            }
            OperatorAction::Override(overrides) => {
                let changed = self.next.overrides != *overrides;
                self.next.overrides = *overrides;
                self.settings = self.context.settings(&self.next.overrides);
                done_if(changed)
            }
            OperatorAction::OptOut => done_if(!std::mem::replace(&mut self.next.opted_out, true)),
            OperatorAction::OptIn => {
                let opted_out = std::mem::take(&mut self.next.opted_out);
                let stopped = self.next.stopped.take();
                done_if(opted_out || stopped.is_some())
            }
        }
    }

    /// Does `what` with the reply that waits for approval, if it is that of `draft`.
    fn decide_on(&mut self, draft: DraftId, what: impl FnOnce(&mut Self, Reply) -> Acted) -> Acted {
        if let Some(outcome) = self.gate() {
            return Acted::Forbidden { outcome };
        }
        self.expire_draft();
        if let Some(turn) = self.current(draft)
            && let Phase::AwaitingApproval { reply, .. } = &turn.phase
        {
            let reply = reply.clone();
            return what(self, reply);
        }
        let known = self.next.drafts.iter().find(|known| known.id() == draft);
        known.map_or(Acted::NoSuchDraft, |known| Acted::TooLate {
            state: known.state.clone(),
        })
    }

    fn approve(&mut self, reply: Reply, edited: Option<Reply>) -> Acted {
        let now = self.now();
        let reply = match edited {
            Some(text) if text != reply => {
                self.edit(text.clone());
                text
            }
            _ => reply,
        };
        if let Some(turn) = &mut self.next.turn {
            turn.phase = Phase::Pacing { reply, until: now };
            turn.clearance = Clearance::Approved;
        }
        self.mark_draft(DraftState::Approved);
        self.mark_pending(&self.waiting(now, WaitCause::Pacing));
        Acted::Done
    }

    fn edit(&mut self, text: Reply) -> Acted {
        if let Some(turn) = &mut self.next.turn
            && let Phase::AwaitingApproval { reply, .. } = &mut turn.phase
        {
            if *reply == text {
                return Acted::Unchanged;
            }
            *reply = text.clone();
        }
        self.mark_draft(DraftState::Edited);
        if let Some(draft) = self.open_draft() {
            draft.edited = Some(text);
        }
        Acted::Done
    }

    fn regenerate(&mut self, instruction: Option<Note>) -> Acted {
        let now = self.now();
        self.mark_draft(DraftState::Rejected {
            reason: instruction.clone(),
        });
        if let Some(turn) = &mut self.next.turn {
            turn.begin_draft(Phase::Composing {
                since: now,
                repair: None,
                instruction,
            });
        }
        self.mark_pending(&self.waiting(now, WaitCause::Composing));
        Acted::Done
    }
}

const fn done_if(changed: bool) -> Acted {
    if changed {
        Acted::Done
    } else {
        Acted::Unchanged
    }
}
