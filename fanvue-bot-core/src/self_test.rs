//! A test that sends the deployment a signed event, as Fanvue would, and watches it go the whole way: to the door,
//! into the store, to a worker, to a decision.
//!
//! The event is for [`CREATOR`], a reserved creator whom nobody is: no fan is answered, Fanvue is not asked for
//! anything, and no model is called. What a test leaves behind is that creator, one conversation, and one short
//! message for each test.

#[cfg(feature = "worker")]
mod run;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::conversation::Reply;
use crate::flow::{Effect, Input};
use crate::id::{AccountId, CreatorId};
use crate::webhook::{Event, SIGNATURE_HEADER};

#[cfg(feature = "worker")]
pub use self::run::SelfTest;

/// The creator whom test events are for. Health, ticks and polls pass over them.
pub const CREATOR: CreatorId =
    CreatorId::from_uuid(Uuid::from_u128(0x5e1f_7e57_0000_8000_8000_0000_0000_0001));
/// Their account, which no Fanvue account is: it is a version 8 UUID, and Fanvue's are random ones.
pub(crate) const ACCOUNT: AccountId =
    AccountId::from_uuid(Uuid::from_u128(0x5e1f_7e57_0000_8000_8000_0000_0000_0002));
/// A signed event, as Fanvue would post it.
#[derive(Clone)]
#[non_exhaustive]
pub struct TestEvent {
    /// The value of the [`SIGNATURE_HEADER`].
    pub signature: String,
    /// The body: JSON.
    pub body: Vec<u8>,
}

impl TestEvent {
    /// The name of the header that the signature goes in.
    pub const SIGNATURE_HEADER: &str = SIGNATURE_HEADER;
}

/// The signature is as good as the secret for as long as it is live.
impl fmt::Debug for TestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestEvent").finish_non_exhaustive()
    }
}

/// Brings an event to the deployment's door.
#[async_trait]
pub trait Courier: fmt::Debug + Send + Sync + 'static {
    /// Posts `event` and answers with the HTTP status of the answer. Need not set a limit of its own.
    ///
    /// # Errors
    /// [`NotDelivered`] if there was no answer.
    async fn deliver(&self, event: &TestEvent) -> Result<u16, NotDelivered>;
}

/// Nobody answered at the door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the door did not answer: {reason}")]
#[non_exhaustive]
pub struct NotDelivered {
    /// Why, in words fit for an operator.
    pub reason: String,
}

impl NotDelivered {
    /// For this reason: words fit for an operator, without a secret or an address that holds one.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// The steps of a test, in order. A step is tried when those before it went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepName {
    /// The reserved creator is in the store, and the event is signed.
    Prepared,
    /// The door has answered that it is stored.
    Delivered,
    /// It is in the store that this process has.
    Stored,
    /// A worker has taken it up and brought it to a decision.
    Worked,
}

impl StepName {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Prepared, Self::Delivered, Self::Stored, Self::Worked];

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Delivered => "delivered",
            Self::Stored => "stored",
            Self::Worked => "worked",
        }
    }
}

/// Where a test came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The store did not take or give what it was asked for.
    Store,
    /// There is no randomness.
    Entropy,
    /// The reserved creator cannot be had: their account belongs to somebody else.
    CreatorTaken,
    /// Nobody answered at the door, for this reason.
    NoAnswer {
        /// In words.
        reason: String,
    },
    /// The door does not take the signature.
    NotProved,
    /// At the address is something else than the door.
    NoDoor {
        /// What it answered.
        status: u16,
    },
    /// The door could not store the event.
    DoorUnavailable,
    /// The door says that it is stored, and this process does not find it.
    OtherStore,
    /// No worker has taken it up in time.
    NoWorker,
    /// A worker has taken it up and decided this instead of making a dry run.
    OtherDecision {
        /// The decision's name.
        outcome: &'static str,
    },
}

impl Problem {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Entropy => "entropy",
            Self::CreatorTaken => "creator_taken",
            Self::NoAnswer { .. } => "no_answer",
            Self::NotProved => "not_proved",
            Self::NoDoor { .. } => "no_door",
            Self::DoorUnavailable => "door_unavailable",
            Self::OtherStore => "other_store",
            Self::NoWorker => "no_worker",
            Self::OtherDecision { .. } => "other_decision",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Store => {
                "See whether the database runs and takes writes; the log of this process has its answer."
            }
            Self::Entropy => "The operating system gives no randomness; restart this host.",
            Self::CreatorTaken => {
                "Another creator has the account that is reserved for tests; give them their own account."
            }
            Self::NoAnswer { .. } => {
                "See whether the process with the webhook routes runs, and whether its address, certificate, proxy and firewall let a request from here through."
            }
            Self::NotProved => {
                "The door has another webhook secret than this process, its clock is off by minutes, or something on the way changes the body. Give both the same secret."
            }
            Self::NoDoor { .. } => {
                "The address does not lead to the webhook routes. Give the address that Fanvue has, with its path; a redirect is not followed, by Fanvue neither."
            }
            Self::DoorUnavailable => {
                "The process with the webhook routes cannot reach its database or its vault; see its log."
            }
            Self::OtherStore => {
                "The door stores in another database than this process works with; give both the same one."
            }
            Self::NoWorker => {
                "No worker took the event up in time. Start one on this database, or have POST /internal/jobs/run called; if one runs, it is behind: see the health."
            }
            Self::OtherDecision { .. } => {
                "The worker runs another version than this process, or somebody changed the reserved creator's settings. Bring all processes to one version."
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("the store does not answer"),
            Self::Entropy => f.write_str("there is no randomness"),
            Self::CreatorTaken => f.write_str("the reserved account belongs to another creator"),
            Self::NoAnswer { reason } => write!(f, "nobody answered: {reason}"),
            Self::NotProved => f.write_str("the door refuses the signature"),
            Self::NoDoor { status } => write!(f, "the answer was {status}, which no door gives"),
            Self::DoorUnavailable => f.write_str("the door could not store it"),
            Self::OtherStore => f.write_str("it was accepted and is not in this store"),
            Self::NoWorker => f.write_str("no worker took it up in time"),
            Self::OtherDecision { outcome } => {
                write!(f, "it was decided as \"{outcome}\" instead of a dry run")
            }
        }
    }
}

/// One step of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepReport {
    /// Which.
    pub name: StepName,
    /// How long it took, or was waited for.
    pub took: Duration,
    /// What went wrong; `None` if nothing did.
    pub problem: Option<Problem>,
}

/// How a test went: its steps, up to the first that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SelfTestReport {
    /// The steps that were tried.
    pub steps: Vec<StepReport>,
}

impl SelfTestReport {
    /// Whether the event went the whole way.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problem().is_none() && self.steps.len() == StepName::ALL.len()
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.steps.iter().find_map(|step| step.problem.as_ref())
    }
}

/// One step a line, and what to do.
impl fmt::Display for SelfTestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let (name, millis) = (step.name.as_str(), step.took.as_millis());
            match &step.problem {
                None => writeln!(f, "{name}: ok, {millis} ms")?,
                Some(problem) => {
                    writeln!(f, "{name}: {problem}, {millis} ms\n  {}", problem.action())?
                }
            }
        }
        Ok(())
    }
}

/// Whether an event is one of a [`SelfTest`].
#[must_use]
pub fn is_for_test(event: &Event) -> bool {
    event.account == ACCOUNT
}

/// What is performed for the reserved creator in place of an effect: nothing that reaches anybody.
pub(crate) fn performed(effect: Effect) -> Input {
    match effect {
        Effect::ReadHistory => Input::HistoryRead,
        Effect::Erase { through } => Input::Erased { through },
        Effect::Fetch { messages } => Input::Fetched { ids: messages },
        Effect::Compose { draft, .. } => Input::Composed {
            draft,
            reply: Reply::new("self-test"),
        },
        Effect::ReadChat { .. } | Effect::Send { .. } | Effect::FindSent { .. } => Input::GiveUp {
            cause: "nothing is sent for the reserved creator".into(),
        },
    }
}
