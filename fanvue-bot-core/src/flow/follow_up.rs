//! The nudge of a silence: a turn that answers nobody and is written anew.
//!
//! It goes the way of a reply from `Composing` on, so what holds a reply back holds it back too: the mode, approval,
//! quiet hours, a human, the last look at the chat. Anybody who writes ends the silence; a fan who does so while the
//! nudge is written is answered in its place.

use std::time::Duration;

use super::Step;
use crate::conversation::{
    Clearance, FollowUp, FollowUpState, NoFollowUp, PendingMessage, Phase, Purpose, Turn,
};
use crate::id::TurnId;
use crate::time::Timestamp;

/// A nudge that could not go out for so long after it was due is not sent any more: an account that is connected
/// again after weeks does not write to everybody at once.
const LATEST: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// Who said goodbye so short a time before our reply went out is not nudged after it, also if they wrote a last word.
const PARTING: Duration = Duration::from_secs(60 * 60);

impl Step<'_> {
    /// A reply went out that answers `answers`: a silence begins.
    pub(super) fn begin_silence(&mut self, answers: &[PendingMessage]) {
        let now = self.now();
        // Words in the creator's name that answer nobody make the silence no other one.
        let has_written = self.next.last_fan_at.is_some() || self.next.fan_messages > 0;
        if answers.is_empty() && has_written {
            return;
        }
        let setting = self.settings.follow_ups;
        if !setting.enabled {
            self.next.follow_up = None;
            return;
        }
        let said_goodbye = self.next.goodbye_at.is_some_and(|at| {
            now.since(at) < PARTING || answers.iter().any(|message| message.sent_at <= at)
        });
        let answered = answers.iter().map(|message| message.sent_at).max();
        let why = if answers.is_empty() {
            Some(NoFollowUp::NeverWrote)
        } else if said_goodbye {
            Some(NoFollowUp::Goodbye)
        } else if self.next.last_fan_at > answered || !self.next.pending.is_empty() {
            // It came in while the reply was on its way.
            Some(NoFollowUp::Answered)
        } else {
            None
        };
        let until = now + setting.after;
        let state = why.map_or(FollowUpState::Due { until }, |why| FollowUpState::Skipped {
            why,
        });
        self.next.follow_up = Some(FollowUp {
            since: now,
            state,
            at: now,
        });
    }

    /// Somebody wrote, and the nudge that was due is not needed.
    pub(super) fn end_silence(&mut self, why: NoFollowUp) {
        if self.due_follow_up().is_some() {
            self.note_follow_up(FollowUpState::Skipped { why });
        }
    }

    /// Begins the nudge that is due, or notes why there is none; ends one that could not go out for too long.
    pub(super) fn keep_follow_up(&mut self) {
        let now = self.now();
        let setting = self.settings.follow_ups;
        if let Some(turn) = &self.next.turn {
            let waits = matches!(
                turn.phase,
                Phase::Composing { .. } | Phase::Pacing { .. } if turn.clearance == Clearance::Automatic
            );
            if turn.purpose == Purpose::FollowUp && waits && self.follow_up_is_late() {
                self.next.turn = None;
                self.note_follow_up(FollowUpState::Skipped {
                    why: NoFollowUp::TooLate,
                });
            }
            return;
        }
        let Some(until) = self.due_follow_up() else {
            return;
        };
        if !self.next.pending.is_empty() {
            return;
        }
        if !setting.enabled {
            return self.end_silence(NoFollowUp::SwitchedOff);
        }
        if until > now {
            return;
        }
        // A broadcast may have broken the silence from our side.
        let due = self.next.last_reply_at.map(|at| at + setting.after);
        if let Some(later) = due.filter(|due| *due > now) {
            return self.note_follow_up(FollowUpState::Due { until: later });
        }
        let too_soon = self
            .next
            .nudged_at
            .is_some_and(|at| now.since(at) < setting.apart);
        if too_soon {
            return self.end_silence(NoFollowUp::TooSoon);
        }
        if now.since(until) > LATEST {
            return self.end_silence(NoFollowUp::TooLate);
        }
        self.next.last_turn = self.next.last_turn.next();
        let id = self.next.last_turn;
        self.next.turn = Some(Turn {
            id,
            seed: self.context.seed.derive("turn"),
            draft: 1,
            clearance: Clearance::Automatic,
            purpose: Purpose::FollowUp,
            phase: Phase::Composing {
                since: now,
                repair: None,
                instruction: None,
            },
        });
        self.note_follow_up(FollowUpState::Open { turn: id });
    }

    /// Notes what became of a nudge whose turn has ended or was taken over, and of one that is due and forbidden.
    pub(super) fn close_follow_up(&mut self) {
        let now = self.now();
        let Some(turn) = self.open_follow_up() else {
            if self.due_follow_up().is_some()
                && let Some(outcome) = self.gate()
            {
                self.note_follow_up(FollowUpState::Blocked { outcome });
            }
            return;
        };
        let running = self.next.turn.as_ref();
        if running.is_some_and(|running| running.id == turn && running.purpose == Purpose::FollowUp)
        {
            return;
        }
        let sent = self.sent.as_ref().filter(|sent| sent.turn == turn);
        let state = if let Some(sent) = sent {
            self.next.nudged_at = Some(now);
            FollowUpState::Sent {
                message: sent.message,
            }
        } else if self.next.turn.is_some() {
            FollowUpState::Skipped {
                why: NoFollowUp::Answered,
            }
        } else if let Some(outcome) = self.gate().or_else(|| self.concluded.take()) {
            FollowUpState::Blocked { outcome }
        } else {
            FollowUpState::Skipped {
                why: NoFollowUp::Human,
            }
        };
        self.note_follow_up(state);
    }

    /// When the nudge is due that no turn sees to yet.
    fn due_follow_up(&self) -> Option<Timestamp> {
        match self.next.follow_up.as_ref()?.state {
            FollowUpState::Due { until } => Some(until),
            _ => None,
        }
    }

    /// The turn that sees to the nudge.
    fn open_follow_up(&self) -> Option<TurnId> {
        match self.next.follow_up.as_ref()?.state {
            FollowUpState::Open { turn } => Some(turn),
            _ => None,
        }
    }

    fn follow_up_is_late(&self) -> bool {
        let follow_up = self.next.follow_up.as_ref();
        follow_up.is_some_and(|follow_up| self.now().since(follow_up.at) > LATEST)
    }

    fn note_follow_up(&mut self, state: FollowUpState) {
        let now = self.now();
        if let Some(follow_up) = &mut self.next.follow_up {
            follow_up.state = state;
            follow_up.at = now;
        }
    }
}
