//! What to do next: the product itself, as one pure function.
//!
//! [`step`] takes the state of a conversation and something that happened, and gives the next state, the
//! decisions that fell, and at most one thing to do. It reads no clock, draws no randomness and does no
//! I/O, so tests and replays are exact, and a crash loses nothing: the committed state yields the same
//! effect again.
//!
//! ```text
//!            fan writes            settled             composed            chat read
//!   (idle) ------------> Settling --------> Composing ---------> Pacing -----------> Sending
//!      ^                    ^  fan writes again  |  |               |                  |   |
//!      |                    +--------------------+--+---------------+     no definite  |   |
//!      |                                         | draft mode               answer     v   |
//!      |                                         v                             Reconciling |
//!      |                                  AwaitingApproval                   found |  |    |
//!      +---------------------------------------------------------------------------+  +-> Pacing (not found)
//! ```

mod approval;
mod delivery;
mod erasure;
mod follow_up;
mod inbound;
mod money;
mod operator;
mod pace;
mod policy;
mod quiet;
mod sending;
mod stop;
#[cfg(test)]
mod tests;
mod turn;

use std::borrow::Cow;
use std::time::Duration;

use crate::ceiling::Ceiling;
use crate::conversation::{
    Clearance, Conversation, DeliveryState, Hold, Phase, Purpose, Reply, SendIntent, Turn,
};
use crate::creator::{Creator, CreatorStatus};
use crate::decision::{Decision, Outcome, Rule, WaitCause};
use crate::draft::Note;
use crate::entropy::Seed;
use crate::id::{BroadcastId, MessageId, TurnId};
use crate::ledger::TransactionKind;
use crate::policy::Signals;
use crate::settings::{Mode, Overrides, Pace, Settings};
use crate::time::Timestamp;

pub use self::delivery::{Parcel, skipped};
pub use self::operator::{Acted, OperatorAction};

/// What a step depends on besides the conversation.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it; a new dependency must be seen"
)]
pub struct Context<'a> {
    /// The time.
    pub now: Timestamp,
    /// What draws come from.
    pub seed: Seed,
    /// The tenant, with settings and persona.
    pub creator: &'a Creator,
    /// How sends are timed.
    pub timing: Timing,
    /// How far the bot may go in this deployment.
    pub ceiling: Ceiling,
}

impl<'a> Context<'a> {
    /// What holds for a fan for whom these are different.
    fn settings(&self, overrides: &Overrides) -> Cow<'a, Settings> {
        let creator: &'a Creator = self.creator;
        self.ceiling.over(creator.settings.with(overrides))
    }
}

/// How a send and the search for its outcome are timed. A matter of the deployment, not of a creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// A send is begun within this time of its committed intent, or not at all. Default: 5 s.
    pub begin_within: Duration,
    /// A send that was begun has ended, well or badly, within this time of its intent; after a crash the
    /// outcome is not searched for before. The engine raises it to `begin_within` plus the client's longest
    /// request, since a send that is still under way would count as lost and go out twice. Default: 45 s.
    pub settled_within: Duration,
    /// The wait before the chat is first read after an unclear answer. Default: 1 s.
    pub first_check: Duration,
    /// The wait before it is read again when the reply was not found. Default: 8 s.
    pub recheck: Duration,
    /// After this many reads without finding it, the reply counts as not sent. Default: 2.
    pub misses: u32,
    /// How soon to look whether a person has mended what only a person can. Default: 1 min; each further
    /// wait is as long as it has been broken.
    pub first_look: Duration,
    /// The longest of these waits. Default: 15 min.
    pub longest_look: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            begin_within: Duration::from_secs(5),
            settled_within: Duration::from_secs(45),
            first_check: Duration::from_secs(1),
            recheck: Duration::from_secs(8),
            misses: 2,
            first_look: Duration::from_secs(60),
            longest_look: Duration::from_secs(15 * 60),
        }
    }
}

impl Timing {
    /// With these times for the send itself.
    #[must_use]
    pub const fn send(mut self, begin_within: Duration, settled_within: Duration) -> Self {
        self.begin_within = begin_within;
        self.settled_within = settled_within;
        self
    }

    /// With these times for the search after an unclear answer.
    #[must_use]
    pub const fn search(mut self, first_check: Duration, recheck: Duration, misses: u32) -> Self {
        self.first_check = first_check;
        self.recheck = recheck;
        self.misses = misses;
        self
    }

    /// Looking this soon, and at least this often, whether a person has mended what only a person can.
    #[must_use]
    pub const fn look(mut self, first: Duration, longest: Duration) -> Self {
        self.first_look = first;
        self.longest_look = longest;
        self
    }
}

/// Which draft of which turn an outcome belongs to. One that belongs to an older draft is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a draft is exactly this pair")]
pub struct DraftId {
    /// The turn.
    pub turn: TurnId,
    /// The draft within the turn.
    pub draft: u32,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// The fan wrote. A message that is known already changes nothing.
    FanMessage {
        /// Which message.
        id: MessageId,
        /// When it was sent.
        sent_at: Timestamp,
        /// Whether its words are known.
        fetched: bool,
    },
    /// The words of a message of the fan are a sign of something. Follows [`Input::FanMessage`], or the
    /// message's words where they came later.
    Noticed {
        /// Which message.
        id: MessageId,
        /// When it was sent.
        sent_at: Timestamp,
        /// Of what.
        signals: Signals,
    },
    /// A message went out in the creator's name: by hand, or one of ours that comes back.
    CreatorMessage {
        /// Which message.
        id: MessageId,
        /// When it was sent.
        sent_at: Timestamp,
        /// Its words, if known.
        text: Option<Reply>,
    },
    /// A message was deleted.
    Deleted {
        /// Which message.
        id: MessageId,
    },
    /// The words of these messages are known now.
    Fetched {
        /// Which messages.
        ids: Vec<MessageId>,
    },
    /// Time has passed.
    Wake,
    /// The model wrote a reply that passed the checks.
    Composed {
        /// Which draft.
        draft: DraftId,
        /// The reply.
        reply: Reply,
    },
    /// The model wrote something that cannot be sent.
    Unusable {
        /// Which draft.
        draft: DraftId,
        /// What is wrong with it, in words for the model; never the text itself.
        problem: Box<str>,
    },
    /// The chat was read just before sending, and everything in it is known here.
    ChatRead {
        /// Which draft.
        draft: DraftId,
        /// When the newest message of the chat was sent.
        newest: Option<Timestamp>,
    },
    /// Fanvue has accepted the reply, or it was found in the chat.
    Sent {
        /// Which draft.
        draft: DraftId,
        /// The id it got.
        message: MessageId,
        /// When it was sent.
        sent_at: Timestamp,
    },
    /// The reply was certainly not sent, and may be later.
    NotSent {
        /// Which draft.
        draft: DraftId,
    },
    /// The reply was certainly not sent and never will be.
    SendRefused {
        /// Which draft.
        draft: DraftId,
        /// Why.
        outcome: Outcome,
    },
    /// The reply may or may not have been sent.
    SendUnclear {
        /// Which draft.
        draft: DraftId,
    },
    /// The chat was read and the reply is not in it.
    NotFound {
        /// Which draft.
        draft: DraftId,
    },
    /// What the chat held before this library knew of it is stored now.
    HistoryRead,
    /// What is to be done next could not be, and is put off.
    PutOff {
        /// Until when.
        until: Timestamp,
        /// Why.
        cause: WaitCause,
    },
    /// What is to be done next cannot be before a person has mended something; from time to time it is
    /// looked whether they have.
    Park {
        /// What they have to mend.
        cause: WaitCause,
    },
    /// Whatever is being tried is given up, except the search for a reply that may have gone out.
    GiveUp {
        /// Why, in words for an operator.
        cause: Box<str>,
    },
    /// An operator acts.
    Operator(OperatorAction),
    /// The fan is to get a message of a broadcast. One that they got, or that was noted as skipped, changes nothing.
    Deliver(Box<Parcel>),
    /// The fan is not to get the message of a broadcast for now; it may come again. One that may be on its way is
    /// left alone.
    Withdraw {
        /// Which broadcast.
        broadcast: BroadcastId,
    },
    /// A transaction was recorded, and none of the same payment before. Not for one that the fan was thanked for with
    /// the answer to a message that told of it.
    Paid {
        /// What happened.
        kind: TransactionKind,
        /// When, by Fanvue's clock.
        at: Timestamp,
    },
    /// What is held of the fan is to be erased.
    Erase,
    /// The rows of an erasure are gone.
    Erased {
        /// Which erasure.
        through: Timestamp,
    },
}

/// The one thing to do next. Its outcome comes back as an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Read what the chat held before this library knew of it, once in the life of a conversation:
    /// [`Input::HistoryRead`].
    ReadHistory,
    /// Read the words of these messages from the API: [`Input::Fetched`] or [`Input::Deleted`].
    Fetch {
        /// Which messages.
        messages: Vec<MessageId>,
    },
    /// Build the prompt, ask the model, check its text: [`Input::Composed`] or [`Input::Unusable`].
    Compose {
        /// Which draft.
        draft: DraftId,
        /// The turn's seed.
        seed: Seed,
        /// What was wrong with the draft before, if anything.
        repair: Option<Box<str>>,
        /// What an operator asked for.
        instruction: Option<Note>,
    },
    /// Read the chat; what is new in it comes first, then [`Input::ChatRead`].
    ReadChat {
        /// Which draft.
        draft: DraftId,
    },
    /// Send the reply, now or not at all: [`Input::Sent`], [`Input::NotSent`], [`Input::SendRefused`] or
    /// [`Input::SendUnclear`]. Only ever given in the step that enters [`Phase::Sending`].
    Send {
        /// Which draft.
        draft: DraftId,
        /// The reply.
        reply: Reply,
        /// Do not begin after this.
        begin_by: Timestamp,
    },
    /// Look for the reply in the chat: [`Input::Sent`] or [`Input::NotFound`].
    FindSent {
        /// Which draft.
        draft: DraftId,
        /// The reply.
        reply: Reply,
        /// The intent, which tells from when on to look.
        intent: SendIntent,
    },
    /// Erase the messages that were sent at or before this, what is known of the fan, and what the queue holds:
    /// [`Input::Erased`].
    Erase {
        /// Up to when.
        through: Timestamp,
    },
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The next state.
    pub next: Conversation,
    /// What became of the fan's messages.
    pub decisions: Vec<(MessageId, Decision)>,
    /// What to do next, after the state is committed.
    pub effect: Option<Effect>,
    /// The reply that is known to have gone out with this step: to be stored as a message of ours.
    pub sent: Option<SentReply>,
    /// Messages that turned out to be a human's: to be stored as such.
    pub by_human: Vec<crate::conversation::Unattributed>,
    /// What came of the operator's action, if the input was one.
    pub acted: Option<Acted>,
}

/// A reply that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data of a transition")]
pub struct SentReply {
    /// The id that Fanvue gave.
    pub message: MessageId,
    /// The text.
    pub reply: Reply,
    /// The turn.
    pub turn: TurnId,
    /// Who let it go out.
    pub clearance: Clearance,
    /// When it was sent.
    pub sent_at: Timestamp,
}

/// What follows from `input` in `conversation`.
///
/// Total: every input is accepted in every state. One that does not fit the state, such as the outcome of
/// an older draft, changes nothing, and the effect is the one that the state is waiting for.
#[must_use]
pub fn step(conversation: &Conversation, input: Input, context: &Context<'_>) -> Transition {
    let mut step = Step {
        next: conversation.clone(),
        context: *context,
        settings: context.settings(&conversation.overrides),
        decisions: Vec::new(),
        effect: None,
        sent: None,
        by_human: Vec::new(),
        acted: None,
        undelivered: None,
        concluded: None,
    };
    match input {
        Input::FanMessage {
            id,
            sent_at,
            fetched,
        } => step.fan_message(id, sent_at, fetched),
        Input::Noticed {
            id,
            sent_at,
            signals,
        } => step.noticed(id, sent_at, signals),
        Input::CreatorMessage { id, sent_at, text } => {
            step.creator_message(id, sent_at, text.as_ref().map(Reply::text))
        }
        Input::Deleted { id } => step.deleted(id),
        Input::Fetched { ids } => step.fetched(&ids),
        Input::Wake => {}
        Input::Composed { draft, reply } => step.composed(draft, reply),
        Input::Unusable { draft, problem } => step.unusable(draft, problem),
        Input::ChatRead { draft, newest } => step.chat_read(draft, newest),
        Input::Sent {
            draft,
            message,
            sent_at,
        } => step.sent(draft, message, sent_at),
        Input::NotSent { draft } => step.not_sent(draft),
        Input::SendRefused { draft, outcome } => step.send_refused(draft, &outcome),
        Input::SendUnclear { draft } => step.send_unclear(draft),
        Input::NotFound { draft } => step.not_found(draft),
        Input::HistoryRead => step.next.history_read = true,
        Input::PutOff { until, cause } => step.put_off(until, cause),
        Input::Park { cause } => step.park(cause),
        Input::GiveUp { cause } => step.give_up(&cause),
        Input::Operator(action) => step.acted = Some(step.operator(action)),
        Input::Deliver(parcel) => step.deliver(*parcel),
        Input::Withdraw { broadcast } => step.withdraw(broadcast),
        Input::Paid { kind, at } => step.paid(kind, at),
        Input::Erase => step.erase(),
        Input::Erased { through } => step.erased(through),
    }
    step.settle()
}

/// A step in the making.
struct Step<'a> {
    next: Conversation,
    context: Context<'a>,
    /// What holds for this fan: the only settings that a step looks at.
    settings: Cow<'a, Settings>,
    decisions: Vec<(MessageId, Decision)>,
    effect: Option<Effect>,
    sent: Option<SentReply>,
    by_human: Vec<crate::conversation::Unattributed>,
    acted: Option<Acted>,
    /// Why the parcel does not go out, where the state does not tell.
    undelivered: Option<DeliveryState>,
    /// Why the turn ended without a reply, where the state does not tell.
    concluded: Option<Outcome>,
}

impl Step<'_> {
    fn now(&self) -> Timestamp {
        self.context.now
    }

    fn decide(&mut self, message: MessageId, outcome: Outcome) {
        self.decisions
            .push((message, Decision::new(outcome, self.context.now)));
    }

    /// Decides all pending messages alike and forgets them.
    fn conclude_pending(&mut self, outcome: &Outcome) {
        self.concluded = Some(outcome.clone());
        for message in std::mem::take(&mut self.next.pending) {
            self.decide(message.id, outcome.clone());
            self.leave(message);
        }
    }

    /// Decides all pending messages alike and keeps them.
    fn mark_pending(&mut self, outcome: &Outcome) {
        for index in 0..self.next.pending.len() {
            let id = self.next.pending[index].id;
            self.decide(id, outcome.clone());
        }
    }

    /// Until when a human has the conversation, if they have it now.
    fn pause(&self) -> Option<Timestamp> {
        self.next
            .paused_until
            .filter(|until| *until > self.context.now)
    }

    /// Why no reply may be written now, whatever the fan says.
    fn gate(&self) -> Option<Outcome> {
        if self.next.opted_out {
            return Some(Outcome::OptedOut);
        }
        if let Some(outcome) = self.safety_stop() {
            return Some(outcome);
        }
        let rule = if self.context.creator.status != CreatorStatus::Active {
            Rule::CreatorInactive
        } else if self.settings.mode == Mode::Off {
            Rule::ModeOff
        } else {
            return None;
        };
        Some(Outcome::Blocked { rule })
    }

    /// Whether a reply of ours may be on its way.
    fn in_flight(&self) -> bool {
        matches!(
            self.next.turn,
            Some(Turn {
                phase: Phase::Sending { .. } | Phase::Reconciling { .. },
                ..
            })
        )
    }

    /// Whether the reply is written and waits for an operator.
    fn awaits_approval(&self) -> bool {
        matches!(
            self.next.turn,
            Some(Turn {
                phase: Phase::AwaitingApproval { .. },
                ..
            })
        )
    }

    /// The turn, if its current draft is `draft`.
    fn current(&mut self, draft: DraftId) -> Option<&mut Turn> {
        self.next
            .turn
            .as_mut()
            .filter(|turn| turn.id == draft.turn && turn.draft == draft.draft)
    }

    /// Brings the state up to the present and finds what is to be done.
    fn settle(mut self) -> Transition {
        if self.effect.is_none() {
            self.catch_up();
            self.keep_stopped();
            self.keep_quiet_hours();
            self.effect = self.due_erasure().or_else(|| self.due_effect());
        }
        if self.next.turn.is_none() && self.next.pending.is_empty() && self.next.unread.is_empty() {
            self.next.hold = None;
        }
        self.supersede_drafts();
        self.close_delivery();
        self.close_follow_up();
        Transition {
            next: self.next,
            decisions: last_of_each(self.decisions),
            effect: self.effect,
            sent: self.sent,
            by_human: self.by_human,
            acted: self.acted,
        }
    }

    /// Does what the passing of time does.
    fn catch_up(&mut self) {
        let now = self.now();
        if self.next.paused_until.is_some_and(|until| until <= now) {
            self.next.paused_until = None;
        }
        if self.in_flight() {
            self.overdue_send();
            return;
        }
        if let Some(outcome) = self.gate() {
            self.next.turn = None;
            self.next.thanks_due = None;
            self.conclude_pending(&outcome);
            return;
        }
        if let Some(until) = self.pause() {
            // Who has the chat thanks for what is paid in it.
            self.next.thanks_due = None;
            // Whatever was being written does not know what the human says meanwhile.
            if self.next.turn.take().is_some() {
                self.mark_pending(&Outcome::PausedByHuman { until });
            }
            return;
        }
        if self.next.turn.is_none() && !self.next.pending.is_empty() {
            self.begin_turn_for(Purpose::Answer);
        }
        self.keep_thanks();
        self.keep_follow_up();
        if let Some(Turn {
            phase: Phase::Pacing { until, .. },
            ..
        }) = &mut self.next.turn
            && self.settings.pace == Pace::Immediate
        {
            // The pace may have been another one when the reply was written.
            *until = now.min(*until);
        }
        if let Some(turn) = self.next.turn.as_mut()
            && let Phase::Settling { until, .. } = turn.phase
            && until <= now
        {
            turn.phase = Phase::Composing {
                since: now,
                repair: None,
                instruction: None,
            };
        }
        self.expire_draft();
    }

    /// What the state asks for, now.
    fn due_effect(&self) -> Option<Effect> {
        let now = self.now();
        if self.held().is_some() {
            return None;
        }
        if !self.next.unread.is_empty() && !self.in_flight() {
            let messages = self.next.unread.iter().map(|message| message.id).collect();
            return Some(Effect::Fetch { messages });
        }
        let turn = self.next.turn.as_ref()?;
        let draft = DraftId {
            turn: turn.id,
            draft: turn.draft,
        };
        match &turn.phase {
            Phase::Composing { .. } if !self.next.history_read => Some(Effect::ReadHistory),
            Phase::Composing {
                repair,
                instruction,
                ..
            } => {
                let messages: Vec<MessageId> = self
                    .next
                    .pending
                    .iter()
                    .filter(|m| !m.fetched)
                    .map(|m| m.id)
                    .collect();
                Some(if messages.is_empty() {
                    Effect::Compose {
                        draft,
                        seed: turn.seed,
                        repair: repair.clone(),
                        instruction: instruction.clone(),
                    }
                } else {
                    Effect::Fetch { messages }
                })
            }
            // Nothing was written that would have needed the history, and a fan whom this library has not met may
            // wait for an answer.
            Phase::Pacing { until, .. }
                if *until <= now
                    && turn.clearance == Clearance::Broadcast
                    && !self.next.history_read =>
            {
                Some(Effect::ReadHistory)
            }
            Phase::Pacing { until, .. } if *until <= now => Some(Effect::ReadChat { draft }),
            Phase::Reconciling {
                reply,
                intent,
                next_check,
                ..
            } if *next_check <= now => Some(Effect::FindSent {
                draft,
                reply: reply.clone(),
                intent: intent.clone(),
            }),
            _ => None,
        }
    }

    /// What is put off, if it is put off now.
    fn held(&self) -> Option<Hold> {
        self.next.hold.filter(|hold| hold.until > self.context.now)
    }

    /// Waits for `until`, and for what is put off before that.
    fn waiting(&self, until: Timestamp, cause: WaitCause) -> Outcome {
        match self.held() {
            Some(hold) if hold.until >= until => Outcome::Waiting {
                until: hold.until,
                cause: hold.cause,
            },
            _ => Outcome::Waiting {
                until: until.max(self.now()),
                cause,
            },
        }
    }

    /// Puts off what is to be done next. Nothing is dropped: whoever is owed an answer still is.
    fn put_off(&mut self, until: Timestamp, cause: WaitCause) {
        let now = self.now();
        let Some(due_at) = self.next.goes_on_at() else {
            return;
        };
        let awaits_approval = self.awaits_approval();
        // A draft waits for a person and for nothing that could fail; what failed was done all the same.
        if until <= now || (awaits_approval && self.next.unread.is_empty()) {
            return;
        }
        self.next.hold = Some(Hold {
            since: self.since(cause),
            until,
            cause,
        });
        if awaits_approval || (self.pause().is_some() && !self.in_flight()) {
            return;
        }
        self.mark_owed(&self.waiting(due_at, cause));
    }

    /// Something was done that a failure could have put off: the model wrote, or Fanvue gave a definite
    /// answer to a send. Reading a chat is not enough, or a send that fails after each look would be tried
    /// for ever at the shortest interval.
    fn progress(&mut self) {
        self.next.hold = None;
    }

    fn park(&mut self, cause: WaitCause) {
        let now = self.now();
        let since = self.since(cause);
        let timing = self.context.timing;
        let shortest = timing.first_look.min(timing.longest_look);
        self.put_off(
            now + now.since(since).clamp(shortest, timing.longest_look),
            cause,
        );
    }

    /// Since when what is to be done fails for this cause.
    fn since(&self, cause: WaitCause) -> Timestamp {
        self.next
            .hold
            .filter(|hold| hold.cause == cause)
            .map_or(self.context.now, |hold| hold.since)
    }

    /// Decides alike all messages that are owed an answer, also those that one under way may answer.
    fn mark_owed(&mut self, outcome: &Outcome) {
        if let Some(Turn {
            phase: Phase::Sending { intent, .. } | Phase::Reconciling { intent, .. },
            ..
        }) = &self.next.turn
        {
            let answers: Vec<MessageId> = intent.answers.iter().map(|m| m.id).collect();
            for id in answers {
                self.decide(id, outcome.clone());
            }
        }
        self.mark_pending(outcome);
    }
}

/// Keeps the last decision on each message: only that one is stored.
fn last_of_each(decisions: Vec<(MessageId, Decision)>) -> Vec<(MessageId, Decision)> {
    let mut last: Vec<(MessageId, Decision)> = Vec::with_capacity(decisions.len());
    for (id, decision) in decisions {
        match last.iter_mut().find(|(known, _)| *known == id) {
            Some(entry) => entry.1 = decision,
            None => last.push((id, decision)),
        }
    }
    last
}
