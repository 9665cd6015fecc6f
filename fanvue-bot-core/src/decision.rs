//! What became of a fan's message: a reason for every answer and every silence.

mod reason;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::reason::Reason;
use crate::id::TurnId;
use crate::time::Timestamp;

/// What became of one inbound message, and when that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct Decision {
    /// What was decided.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}

impl Decision {
    /// `outcome`, decided at `at`.
    #[must_use]
    pub const fn new(outcome: Outcome, at: Timestamp) -> Self {
        Self { outcome, at }
    }
}

/// The outcomes that an inbound message can have. All but [`Outcome::Waiting`],
/// [`Outcome::AwaitingApproval`] and [`Outcome::PausedByHuman`] are final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is the newest message that the reply of this turn answered.
    Replied {
        /// The turn that answered.
        turn: TurnId,
    },
    /// It was answered together with a later message.
    Merged {
        /// The turn that answered.
        turn: TurnId,
    },
    /// It will be looked at again.
    Waiting {
        /// When, at the latest, unless the fan writes again.
        until: Timestamp,
        /// For what.
        cause: WaitCause,
    },
    /// A reply is written and waits for an operator.
    AwaitingApproval {
        /// The turn that wrote it.
        turn: TurnId,
    },
    /// A human is in the conversation. If they answer, this is final; if the pause ends with the
    /// message unanswered, the bot takes it up.
    PausedByHuman {
        /// When the bot takes over again.
        until: Timestamp,
    },
    /// The fan asked for no automatic answers. Of the message with which they ask for them again it is undone,
    /// once its words are known.
    OptedOut,
    /// A rule forbade an answer.
    Blocked {
        /// Which.
        rule: Rule,
    },
    /// The model wrote nothing that may be sent, also when asked again.
    NoSafeReply {
        /// Which check the last draft failed, in words fit for an operator.
        problem: Box<str>,
    },
    /// A budget for messages, tokens or money is used up.
    OverBudget,
    /// An answer was tried and given up.
    Failed {
        /// Why, in words fit for an operator; never a secret nor anyone's words.
        cause: Box<str>,
    },
}

impl Outcome {
    /// Whether nothing changes it any more, unless an operator does.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Waiting { .. } | Self::AwaitingApproval { .. } | Self::PausedByHuman { .. }
        )
    }

    /// The name under which it is stored and counted.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Replied { .. } => "replied",
            Self::Merged { .. } => "merged",
            Self::Waiting { .. } => "waiting",
            Self::AwaitingApproval { .. } => "awaiting_approval",
            Self::PausedByHuman { .. } => "paused_by_human",
            Self::OptedOut => "opted_out",
            Self::Blocked { .. } => "blocked",
            Self::NoSafeReply { .. } => "no_safe_reply",
            Self::OverBudget => "over_budget",
            Self::Failed { .. } => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replied { turn } => write!(f, "replied in turn {turn}"),
            Self::Merged { turn } => write!(f, "merged into turn {turn}"),
            Self::Waiting { until, cause } => write!(f, "waiting until {until}: {cause}"),
            Self::AwaitingApproval { turn } => write!(f, "turn {turn} awaits approval"),
            Self::PausedByHuman { until } => write!(f, "paused by a human until {until}"),
            Self::OptedOut => f.write_str("the fan opted out"),
            Self::Blocked { rule } => write!(f, "blocked: {rule}"),
            Self::NoSafeReply { problem } => {
                write!(f, "the model wrote nothing that may be sent: {problem}")
            }
            Self::OverBudget => f.write_str("over budget"),
            Self::Failed { cause } => write!(f, "failed: {cause}"),
        }
    }
}

/// What a waiting message waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitCause {
    /// More messages may follow.
    Settling,
    /// The reply is being written.
    Composing,
    /// The reply is written and held back for as long as a person would take.
    Pacing,
    /// Fanvue has not said whether the reply went out; the chat is read to find out.
    Reconciling,
    /// Something failed and is tried again.
    Retrying,
    /// It is quiet hours; it is answered when they are over.
    QuietHours,
    /// An operator stopped everything; it goes on when one lets it.
    Stopped,
    /// As many requests as Fanvue or the model's provider allows were made; it goes on when more may be.
    RateLimited,
    /// The creator's Fanvue account has to be connected. It goes on by itself once that is done.
    NotConnected,
    /// Somebody has to mend the deployment: a key that is refused, a model that does not exist, money that
    /// is used up. It goes on by itself once that is done.
    Deployment,
}

impl fmt::Display for WaitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settling => "more messages may follow",
            Self::Composing => "the reply is being written",
            Self::Pacing => "the reply is held back for as long as a person would take",
            Self::Reconciling => "reading the chat to see whether the reply went out",
            Self::Retrying => "something failed and is tried again",
            Self::QuietHours => "it is answered after quiet hours",
            Self::Stopped => "an operator stopped everything",
            Self::RateLimited => "no more requests may be made until then",
            Self::NotConnected => "the creator's Fanvue account has to be connected",
            Self::Deployment => "the deployment has to be mended; its log says what",
        })
    }
}

/// A rule that forbids an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The creator's mode is `off`.
    ModeOff,
    /// The creator is not active.
    CreatorInactive,
    /// `dry_run` is set: the reply was written and not sent.
    DryRun,
    /// An operator rejected the draft.
    Rejected,
    /// No operator decided on the draft in time.
    DraftExpired,
    /// Fanvue says that the fan cannot be written to.
    NotContactable,
    /// It was in the chat, and a human had written after it, before this library knew of the chat.
    BeforeBot,
    /// The fan deleted the message before it was answered.
    Deleted,
    /// There is a sign that the fan may be under 18.
    Minor,
    /// The fan spoke of harming themselves.
    Crisis,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModeOff => "the mode is off",
            Self::CreatorInactive => "the creator is not active",
            Self::DryRun => "dry run, the reply was not sent",
            Self::Rejected => "an operator rejected the draft",
            Self::DraftExpired => "nobody decided on the draft in time",
            Self::NotContactable => "Fanvue says that the fan cannot be written to",
            Self::BeforeBot => "a human had dealt with it before the bot knew of the chat",
            Self::Deleted => "the message was deleted before it was answered",
            Self::Minor => "the fan may be under 18, a human has to look",
            Self::Crisis => "the fan spoke of harming themselves, a human has to answer",
        })
    }
}
