//! Drafts that wait for an operator: how each begins, and every way in which it ends.

use super::{DraftId, Step};
use crate::conversation::{Phase, Reply, Turn};
use crate::decision::{Outcome, Rule};
use crate::draft::{Draft, DraftState, MOST_REMEMBERED};
use crate::id::TurnId;

impl Step<'_> {
    /// The reply of the running turn is given to the operators.
    pub(super) fn await_approval(&mut self, reply: Reply) {
        let now = self.now();
        let until = now + self.settings.draft_expiry;
        let Some(turn) = &mut self.next.turn else {
            return;
        };
        turn.phase = Phase::AwaitingApproval {
            reply: reply.clone(),
            until,
        };
        let id = DraftId {
            turn: turn.id,
            draft: turn.draft,
        };
        // Nothing but the newest is open, so whatever makes room is closed.
        self.supersede_drafts();
        let surplus = (self.next.drafts.len() + 1).saturating_sub(MOST_REMEMBERED);
        self.next.drafts.drain(..surplus);
        self.next.drafts.push(Draft::new(id, reply, now));
        self.mark_pending(&Outcome::AwaitingApproval { turn: id.turn });
    }

    /// Notes what became of the draft that the operators have before them, if there is one.
    pub(super) fn mark_draft(&mut self, state: DraftState) {
        let now = self.now();
        if let Some(draft) = self.open_draft() {
            draft.state = state;
            draft.changed_at = now;
        }
    }

    pub(super) fn open_draft(&mut self) -> Option<&mut Draft> {
        self.next
            .drafts
            .last_mut()
            .filter(|draft| draft.state.is_open())
    }

    /// An approved reply did not go out and is tried again, as a draft of its own for whoever sends it. For
    /// the operators it stays the one that they approved.
    pub(super) fn draft_is_tried_again(&mut self, turn: TurnId, tried: u32, again: u32) {
        if let Some(draft) = self.open_draft()
            && (draft.turn, draft.draft) == (turn, tried)
        {
            draft.draft = again;
        }
    }

    /// A draft that is open and no longer the reply of the running turn has been left behind, by whatever
    /// happened to that turn.
    pub(super) fn supersede_drafts(&mut self) {
        let reply = match &self.next.turn {
            None
            | Some(Turn {
                phase: Phase::Settling { .. } | Phase::Composing { .. },
                ..
            }) => None,
            Some(turn) => Some((turn.id, turn.draft)),
        };
        if let Some(draft) = self.open_draft()
            && reply != Some((draft.turn, draft.draft))
        {
            self.mark_draft(DraftState::Superseded);
        }
    }

    /// Ends a draft that nobody decided on in time.
    pub(super) fn expire_draft(&mut self) {
        let now = self.now();
        if let Some(Turn {
            phase: Phase::AwaitingApproval { until, .. },
            ..
        }) = &self.next.turn
            && *until <= now
        {
            self.mark_draft(DraftState::Expired);
            self.next.turn = None;
            self.conclude_pending(&Outcome::Blocked {
                rule: Rule::DraftExpired,
            });
        }
    }
}
