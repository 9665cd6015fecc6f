//! The one cause of a decision: a short name to list and to count by, and what would change it.

use std::fmt;

use super::{Decision, Outcome, Rule, WaitCause};

/// Why a message is where it is, without the details: what decisions are listed and counted by.
///
/// The name of a reason is stored beside the decision, so it stays the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// [`Outcome::Replied`].
    Replied,
    /// [`Outcome::Merged`].
    Merged,
    /// [`Outcome::Waiting`], and for what.
    Waiting(WaitCause),
    /// [`Outcome::AwaitingApproval`].
    AwaitingApproval,
    /// [`Outcome::PausedByHuman`].
    PausedByHuman,
    /// [`Outcome::OptedOut`].
    OptedOut,
    /// [`Outcome::Blocked`], and by which rule.
    Blocked(Rule),
    /// [`Outcome::NoSafeReply`].
    NoSafeReply,
    /// [`Outcome::OverBudget`].
    OverBudget,
    /// [`Outcome::Failed`].
    Failed,
}

/// The names, once: a reason without one does not compile.
macro_rules! reasons {
    ($($reason:ident $(($detail:ident::$case:ident))? = $name:literal: $change:literal;)*) => {
        impl Reason {
            /// Every reason, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$reason $(($detail::$case))?),*];

            /// The name under which it is stored and counted: that of the outcome, for a wait followed by the
            /// cause and for a block by the rule, as in `waiting_quiet_hours` and `blocked_minor`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason $(($detail::$case))? => $name,)*
                }
            }

            /// What would change it: a sentence or two for an operator. It depends on nothing but the reason, so
            /// nobody's words are in it.
            #[must_use]
            pub const fn what_changes_it(self) -> &'static str {
                match self {
                    $(Self::$reason $(($detail::$case))? => $change,)*
                }
            }
        }
    };
}

reasons! {
    Replied = "replied":
        "Nothing is open: the fan has the reply.";
    Merged = "merged":
        "Nothing is open: the reply to a later message answers this one too.";
    Waiting(WaitCause::Settling) = "waiting_settling":
        "The reply begins as soon as the fan pauses. A shorter settle window begins earlier.";
    Waiting(WaitCause::Composing) = "waiting_composing":
        "The model is writing. If it stays so, look at the health of the model's provider.";
    Waiting(WaitCause::Pacing) = "waiting_pacing":
        "The reply goes out when its time is up. The pace setting makes it shorter or immediate.";
    Waiting(WaitCause::Reconciling) = "waiting_reconciling":
        "The chat is read to see whether the reply went out. It ends by itself.";
    Waiting(WaitCause::Retrying) = "waiting_retrying":
        "It is tried again by itself. An operator can try at once; the health page tells what fails.";
    Waiting(WaitCause::QuietHours) = "waiting_quiet_hours":
        "It is answered after quiet hours. Other quiet hours for the creator or the fan act at once.";
    Waiting(WaitCause::Stopped) = "waiting_stopped":
        "An operator stopped the whole deployment. It goes on as soon as one lets it.";
    Waiting(WaitCause::RateLimited) = "waiting_rate_limited":
        "It goes on when requests may be made again. A larger rate budget or fewer broadcasts shorten the wait.";
    Waiting(WaitCause::NotConnected) = "waiting_not_connected":
        "Connect the creator's Fanvue account. It goes on by itself then.";
    Waiting(WaitCause::Deployment) = "waiting_deployment":
        "Mend the deployment: the health page and the log say what. It goes on by itself then.";
    AwaitingApproval = "awaiting_approval":
        "Approve or reject the draft. It is written anew if the fan writes again.";
    PausedByHuman = "paused_by_human":
        "If a human answers, it is done. Otherwise the bot takes it up when the pause ends, or at once when an operator resumes it.";
    OptedOut = "opted_out":
        "The fan lifts it with a word such as \"start\". An operator may opt them in only if the fan asked for it.";
    Blocked(Rule::ModeOff) = "blocked_mode_off":
        "Set the mode of the creator or of the fan to draft or auto. Later messages are answered then.";
    Blocked(Rule::CreatorInactive) = "blocked_creator_inactive":
        "Set the creator active. Later messages are answered then.";
    Blocked(Rule::DryRun) = "blocked_dry_run":
        "Switch dry run off. Later messages are answered then.";
    Blocked(Rule::Rejected) = "blocked_rejected":
        "An operator decided so. The fan's next message begins a new turn.";
    Blocked(Rule::DraftExpired) = "blocked_draft_expired":
        "Answer by hand. The fan's next message begins a new turn; a longer draft expiry leaves more time.";
    Blocked(Rule::NotContactable) = "blocked_not_contactable":
        "Fanvue lets nobody write to this fan. Only the fan or Fanvue changes that.";
    Blocked(Rule::BeforeBot) = "blocked_before_bot":
        "Nothing is open: a human dealt with it before the bot knew of the chat.";
    Blocked(Rule::Deleted) = "blocked_deleted":
        "Nothing is open: the fan took the message back.";
    Blocked(Rule::Minor) = "blocked_minor":
        "A human has to look at the chat. Only an operator's opt-in lets the bot go on.";
    Blocked(Rule::Crisis) = "blocked_crisis":
        "A human has to answer. Only an operator's opt-in lets the bot go on.";
    NoSafeReply = "no_safe_reply":
        "Answer by hand, or change what the persona asks for: the details say which check the drafts failed.";
    OverBudget = "over_budget":
        "Raise the budget, or wait until its period is over. Later messages are answered then.";
    Failed = "failed":
        "Answer by hand. The details and the health page say what failed.";
}

impl Reason {
    /// The reason of this name; `None` for one that this version does not know.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Outcome {
    /// Why, without the details.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Replied { .. } => Reason::Replied,
            Self::Merged { .. } => Reason::Merged,
            Self::Waiting { cause, .. } => Reason::Waiting(*cause),
            Self::AwaitingApproval { .. } => Reason::AwaitingApproval,
            Self::PausedByHuman { .. } => Reason::PausedByHuman,
            Self::OptedOut => Reason::OptedOut,
            Self::Blocked { rule } => Reason::Blocked(*rule),
            Self::NoSafeReply { .. } => Reason::NoSafeReply,
            Self::OverBudget => Reason::OverBudget,
            Self::Failed { .. } => Reason::Failed,
        }
    }
}

impl Decision {
    /// Why, without the details.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.outcome.reason()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::id::TurnId;
    use crate::time::Timestamp;

    #[test]
    fn every_name_is_its_own_and_reads_back() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::from_name("waiting"), None);
    }

    /// Databases put the name together from what is stored of the decision.
    #[test]
    fn a_name_is_the_outcome_and_the_stored_name_of_its_detail() {
        let at = Timestamp::UNIX_EPOCH;
        for reason in Reason::ALL {
            let (outcome, detail) = match *reason {
                Reason::Waiting(cause) => (
                    Outcome::Waiting { until: at, cause },
                    Some(serde_json::to_value(cause).unwrap()),
                ),
                Reason::Blocked(rule) => (
                    Outcome::Blocked { rule },
                    Some(serde_json::to_value(rule).unwrap()),
                ),
                Reason::Replied => (
                    Outcome::Replied {
                        turn: TurnId::new(1),
                    },
                    None,
                ),
                _ => continue,
            };
            let name = match &detail {
                Some(detail) => format!("{}_{}", outcome.as_str(), detail.as_str().unwrap()),
                None => outcome.as_str().to_owned(),
            };
            assert_eq!(reason.as_str(), name);
            assert_eq!(outcome.reason(), *reason);
        }
    }

    #[test]
    fn what_changes_it_is_said_in_whole_sentences() {
        for reason in Reason::ALL {
            let said = reason.what_changes_it();
            assert!(said.ends_with('.') && said.len() > 20, "{reason}: {said}");
        }
    }
}
