//! The state of one conversation: everything the next step depends on, in one value.

mod delivery;
mod erasure;
mod follow_up;
mod no_sell;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::delivery::{Delivery, DeliveryState, MOST_DELIVERIES, Skip};
pub use self::erasure::Erasure;
pub use self::follow_up::{FollowUp, FollowUpState, NoFollowUp};
pub use self::no_sell::{NoSell, NoSellCause};
use crate::decision::WaitCause;
use crate::draft::{Draft, Note};
use crate::entropy::Seed;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::ledger::{Spend, Stage};
use crate::policy::Signal;
use crate::queue::Priority;
use crate::settings::{Overrides, Stages};
use crate::time::Timestamp;

/// One creator's chat with one fan.
///
/// Small: what the fan is still owed and what is being done about it. The messages themselves are rows
/// beside it. Pending effects are part of it, so after a crash the same state yields the same effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// Whose chat with whom.
    pub id: ConversationId,
    /// Drawn once. Derives what must differ between conversations and stay the same within one, such as
    /// the fence around a fan's words in the prompt.
    pub seed: Seed,
    /// The fan's messages that no reply covers yet, in order of arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingMessage>,
    /// The fan's latest messages that were decided on before their words were known. The words are fetched all the
    /// same, since they may say what forbids a reply or allows one again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<PendingMessage>,
    /// The turn that is being worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The latest replies that were given to an operator, the oldest first, at most
    /// [`MOST_REMEMBERED`](crate::draft::MOST_REMEMBERED).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drafts: Vec<Draft>,
    /// The number of the newest turn.
    #[serde(default)]
    pub last_turn: TurnId,
    /// When the fan's latest message was sent, by Fanvue's clock, whatever was decided on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fan_at: Option<Timestamp>,
    /// When our last reply went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reply_at: Option<Timestamp>,
    /// Until when a human has the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// When a human last wrote in the creator's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_human_at: Option<Timestamp>,
    /// Whether the fan asked for no automatic answers.
    #[serde(default)]
    pub opted_out: bool,
    /// What the fan's words stopped, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// When the fan's latest word on whether they want messages was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_at: Option<Timestamp>,
    /// Messages sent in the creator's name while one of ours was under way, of which it is not known
    /// yet whether they are ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unattributed: Vec<Unattributed>,
    /// The oldest message that the prompt still shows. Moves in large steps, so that the prompt's
    /// beginning stays the same for many turns and providers can reuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_from: Option<Timestamp>,
    /// A fingerprint of the fan's names as they are stored, so that they are written only when they change.
    #[serde(default)]
    pub fan_fingerprint: u64,
    /// Whether what the chat held before this library knew of it is stored.
    #[serde(default)]
    pub history_read: bool,
    /// What could not be done and is put off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Everything that the chat held up to this time, by Fanvue's clock, when it was last read through is stored.
    /// A chat in which something was said later is read again, whatever the webhooks told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_to: Option<Timestamp>,
    /// How many messages of the fan were stored, be they deleted since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fan_messages: u64,
    /// What the fan has paid in all; the single transactions are rows beside it.
    #[serde(default, skip_serializing_if = "Spend::is_none")]
    pub spend: Spend,
    /// What of the creator's settings is different for this fan.
    #[serde(default, skip_serializing_if = "Overrides::is_none")]
    pub overrides: Overrides,
    /// The latest broadcasts and what became of them for this fan, the oldest first, at most [`MOST_DELIVERIES`];
    /// one of them may be on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
    /// The latest silence of the fan and its nudge, if there are any for this fan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
    /// When a nudge last went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudged_at: Option<Timestamp>,
    /// When the fan last said goodbye, by Fanvue's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodbye_at: Option<Timestamp>,
    /// Since which payment the fan is to be thanked, by Fanvue's clock, where a reply that does not know of it is on
    /// its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thanks_due: Option<Timestamp>,
    /// The latest time in which the fan is offered nothing; it may be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_sell: Option<NoSell>,
    /// Up to where the conversation was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
}

impl Conversation {
    /// A conversation in which nothing has happened.
    #[must_use]
    pub const fn new(id: ConversationId, seed: Seed) -> Self {
        Self {
            id,
            seed,
            pending: Vec::new(),
            unread: Vec::new(),
            turn: None,
            drafts: Vec::new(),
            last_turn: TurnId::new(0),
            last_fan_at: None,
            last_reply_at: None,
            paused_until: None,
            last_human_at: None,
            opted_out: false,
            stopped: None,
            consent_at: None,
            unattributed: Vec::new(),
            history_from: None,
            fan_fingerprint: 0,
            history_read: false,
            hold: None,
            complete_to: None,
            fan_messages: 0,
            spend: Spend::none(),
            overrides: Overrides::none(),
            deliveries: Vec::new(),
            follow_up: None,
            nudged_at: None,
            goodbye_at: None,
            thanks_due: None,
            no_sell: None,
            erasure: None,
        }
    }

    /// At which stage the fan is by the creator's thresholds.
    #[must_use]
    pub fn stage(&self, stages: &Stages) -> Stage {
        Stage::of(self.fan_messages, &self.spend, stages)
    }

    /// Why the fan is offered nothing at `now`; `None` if something may be offered.
    #[must_use]
    pub fn sells_nothing(&self, now: Timestamp) -> Option<NoSellCause> {
        let no_sell = self.no_sell.filter(|no_sell| no_sell.until > now)?;
        Some(no_sell.cause)
    }

    /// When this conversation must be looked at next, if nothing happens before; `None` if nothing is owed and no
    /// nudge is due. Stores keep it in an indexed column, so that a wake-up that got lost can be found.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let owed_at = self.job_at().map(|(at, _)| at);
        owed_at.into_iter().chain(self.follows_up_at()).min()
    }

    /// When a job is to wake it, and before which others. A nudge has none before it begins: it is days away, most
    /// fans write before, and each reply would leave a job behind that finds nothing to do. The sweep over
    /// [`Conversation::wake_at`] begins it.
    pub(crate) fn job_at(&self) -> Option<(Timestamp, Priority)> {
        let erased_at = self.erasure.and_then(|erasure| erasure.due_at());
        let at = self.goes_on_at().into_iter().chain(erased_at).min()?;
        Some((at, self.priority()))
    }

    /// Before which others it is looked at.
    pub(crate) fn priority(&self) -> Priority {
        let nudges = match &self.turn {
            Some(turn) => turn.purpose == Purpose::FollowUp,
            None => self.erasure.is_none() && self.follows_up_at().is_some(),
        };
        if nudges && self.pending.is_empty() && self.unread.is_empty() {
            Priority::FollowUp
        } else {
            Priority::LiveReply
        }
    }

    /// When a nudge begins if nobody writes before. A human who has the chat keeps it.
    fn follows_up_at(&self) -> Option<Timestamp> {
        match self.follow_up.as_ref()?.state {
            FollowUpState::Due { until } if self.turn.is_none() && self.pending.is_empty() => {
                Some(self.paused_until.map_or(until, |paused| until.max(paused)))
            }
            _ => None,
        }
    }

    /// When the turn goes on by itself, or what is owed is taken up.
    pub(crate) fn goes_on_at(&self) -> Option<Timestamp> {
        let due_at = self.due_at()?;
        Some(self.hold.map_or(due_at, |hold| due_at.max(hold.until)))
    }

    /// When something is due by the state of the turn, whatever is put off.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let goes_on_at = match self.turn.as_ref().map(|turn| &turn.phase) {
            // While a send's outcome is open, nothing else is done.
            Some(Phase::Sending { intent, .. }) => return Some(intent.valid_until),
            Some(Phase::Reconciling { next_check, .. }) => return Some(*next_check),
            Some(
                Phase::Settling { until, .. }
                | Phase::Pacing { until, .. }
                | Phase::AwaitingApproval { until, .. },
            ) => Some(*until),
            Some(Phase::Composing { since, .. }) => Some(*since),
            None if self.pending.is_empty() => None,
            None => self.paused_until,
        };
        let reads_at = self.unread.first().map(|message| message.arrived_at);
        goes_on_at.into_iter().chain(reads_at).min()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde calls"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why no automatic answer goes to a fan any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Stopped {
    /// What their words were a sign of: [`Signal::OptOut`], which they lift themselves, or
    /// [`Signal::Minor`] or [`Signal::Crisis`], which an operator lifts.
    pub cause: Signal,
    /// The message that said so.
    pub message: MessageId,
    /// When that was noticed.
    pub at: Timestamp,
}

/// Why what is to be done is put off, and until when: because something failed, or because it is quiet hours,
/// for which each step decides anew. What failed stays, with its `until` past, until what failed
/// has been done, so that it is known since when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Hold {
    /// Since when it fails for this cause.
    pub since: Timestamp,
    /// When it is tried again.
    pub until: Timestamp,
    /// Why.
    pub cause: WaitCause,
}

/// A fan's message that no reply covers yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct PendingMessage {
    /// Which.
    pub id: MessageId,
    /// When the fan sent it.
    pub sent_at: Timestamp,
    /// When it arrived here.
    pub arrived_at: Timestamp,
    /// Whether its words are known. If not, they are fetched before a reply is written.
    pub fetched: bool,
}

/// A message sent in the creator's name that may be ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Unattributed {
    /// Which.
    pub id: MessageId,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Its words, as far as known. They are not those of our reply, but Fanvue may show ours changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Reply>,
}

/// One answer in the making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct Turn {
    /// Its number.
    pub id: TurnId,
    /// What its draws come from, so that it replays exactly.
    pub seed: Seed,
    /// Counts the drafts of this turn: one more whenever the fan writes again, a reply is written anew, or
    /// a send is to be tried again. An outcome that belongs to an older draft is dropped.
    pub draft: u32,
    /// Who let the reply of this draft go out.
    #[serde(default, skip_serializing_if = "Clearance::is_automatic")]
    pub clearance: Clearance,
    /// What it is there for.
    #[serde(default, skip_serializing_if = "Purpose::is_answer")]
    pub purpose: Purpose,
    /// Where it stands.
    pub phase: Phase,
}

/// What a turn is there for. Whatever it was begun for, the fan's messages that come in before its reply goes out are
/// answered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The fan wrote; or the words are an operator's to many, as the clearance says.
    #[default]
    Answer,
    /// The fan has not answered for long, and gets one nudge. A fan who writes makes an answer of it.
    FollowUp,
    /// The fan paid, and is thanked, together with an answer to what they wrote, if they did.
    Thanks {
        /// For what they paid since then, by Fanvue's clock.
        since: Timestamp,
    },
}

impl Purpose {
    const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer)
    }
}

/// Who let a reply go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever sends must know who allowed it"
)]
pub enum Clearance {
    /// Nobody: it goes out only where replies need no approval.
    #[default]
    Automatic,
    /// An operator read and approved it.
    Approved,
    /// An operator wrote it to many. It answers nobody, and waits for the end of quiet hours in every mode.
    Broadcast,
}

impl Clearance {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the shape that serde calls"
    )]
    const fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic)
    }
}

/// Where a turn stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "every phase must be handled by whoever looks at one"
)]
pub enum Phase {
    /// More messages may follow.
    Settling {
        /// Until when to wait.
        until: Timestamp,
        /// How far each further message may push `until`.
        latest: Timestamp,
    },
    /// The model is to write the reply.
    Composing {
        /// Since when.
        since: Timestamp,
        /// Why the draft before this one was not good enough, if it is a second try.
        repair: Option<Box<str>>,
        /// What an operator asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instruction: Option<Note>,
    },
    /// The reply waits for an operator.
    AwaitingApproval {
        /// The reply, as edited last.
        reply: Reply,
        /// Until when; for ever where it was stored before drafts expired.
        #[serde(default = "for_ever")]
        until: Timestamp,
    },
    /// The reply is held back; at `until` the chat is read once more and the reply is sent.
    Pacing {
        /// The reply.
        reply: Reply,
        /// Until when.
        until: Timestamp,
    },
    /// The intent to send is committed: the reply may be on its way.
    Sending {
        /// The reply.
        reply: Reply,
        /// The intent.
        intent: SendIntent,
    },
    /// Nobody knows whether the reply went out; the chat is read to find out.
    Reconciling {
        /// The reply.
        reply: Reply,
        /// The intent.
        intent: SendIntent,
        /// When to read the chat next.
        next_check: Timestamp,
        /// How often the chat was read without finding it.
        misses: u32,
    },
}

const fn for_ever() -> Timestamp {
    Timestamp::MAX
}

/// A text to be sent. `Debug` shows its length and not its words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reply(Arc<str>);

impl Reply {
    /// A reply with this text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.0
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({} bytes)", self.0.len())
    }
}

/// What was committed before a send was tried, so that its outcome can be found out after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain state, matched by tests and tools"
)]
pub struct SendIntent {
    /// The messages that the reply answers.
    pub answers: Vec<PendingMessage>,
    /// The newest message of the chat when it was read just before: whatever the search finds must be
    /// newer. By Fanvue's own clock, so that the difference to ours does not matter.
    pub after: Option<Timestamp>,
    /// When the intent was committed.
    pub at: Timestamp,
    /// The send is not begun after this, and its outcome is not searched for before.
    pub valid_until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_was_stored_before_drafts_expired_waits_for_ever() {
        let stored = r#"{"phase":"awaiting_approval","reply":"hello"}"#;
        let phase: Phase = serde_json::from_str(stored).unwrap();
        assert!(matches!(phase, Phase::AwaitingApproval { until, .. } if until == Timestamp::MAX));
    }
}
