//! What a checkup found, as data and as text.

use std::fmt;

use super::Cause;
use crate::id::CreatorId;
use crate::pulse::Failing;
use crate::rate::Remaining;
use crate::time::Timestamp;

/// How somebody or something is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "whoever watches acts on each")]
pub enum Verdict {
    /// As it should.
    Ok,
    /// Something should be looked at; fans are answered.
    Warning,
    /// Fans are not answered until something is mended.
    Broken,
}

impl Verdict {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one line of a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// Whether the creator takes part.
    Participation,
    /// Whether there is a connection.
    Token,
    /// When the access token expires.
    Expiry,
    /// The last refresh.
    Refresh,
    /// The last webhook.
    Webhook,
    /// The last poll.
    Poll,
    /// Since when the longest due work waits to be taken up.
    Lag,
    /// Since when the fan who waits longest waits.
    OldestWaiting,
    /// The last call to Fanvue.
    Fanvue,
    /// What is left of Fanvue's limit on requests, and when a process last asked for a part of it.
    RateBudget,
    /// The last answer of the model.
    Model,
    /// The last answer that was given up.
    Turns,
    /// The store.
    Store,
    /// When a worker was last at it.
    Worker,
}

impl Topic {
    /// Its name; never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Participation => "participation",
            Self::Token => "token",
            Self::Expiry => "expiry",
            Self::Refresh => "refresh",
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Lag => "lag",
            Self::OldestWaiting => "oldest_waiting",
            Self::Fanvue => "fanvue",
            Self::RateBudget => "rate_budget",
            Self::Model => "model",
            Self::Turns => "turns",
            Self::Store => "store",
            Self::Worker => "worker",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Finding {
    /// What.
    pub cause: Cause,
    /// Since when. `None` where nothing remembers it:
    ///
    /// - [`NotConnected`](Cause::NotConnected): a disconnect erases all that is known of the grant;
    /// - [`CreatorInactive`](Cause::CreatorInactive), [`ModeOff`](Cause::ModeOff): of a setting the value is stored,
    ///   and not when it was set;
    /// - [`WebhooksNeverCame`](Cause::WebhooksNeverCame): there was no time before, unless webhooks of theirs were
    ///   refused;
    /// - [`WorkerGone`](Cause::WorkerGone), where no worker was ever seen;
    /// - [`TokenUnreadable`](Cause::TokenUnreadable), [`VaultDown`](Cause::VaultDown), [`StoreDown`](Cause::StoreDown),
    ///   [`StoreSlow`](Cause::StoreSlow): found by looking, at the time of the report; what would remember the first
    ///   time is what fails.
    pub since: Option<Timestamp>,
}

/// One line of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// What it is about.
    pub topic: Topic,
    /// The time that the topic names; `None` if there is none.
    pub at: Option<Timestamp>,
    /// What is wrong, if anything.
    pub finding: Option<Finding>,
    /// What failed last, also if all is well since.
    pub last_failure: Option<Failing>,
    /// How many requests are left; of [`Topic::RateBudget`] alone.
    pub remaining: Option<Remaining>,
}

impl Line {
    pub(super) const fn new(topic: Topic, at: Option<Timestamp>) -> Self {
        Self {
            topic,
            at,
            finding: None,
            last_failure: None,
            remaining: None,
        }
    }

    pub(super) const fn finding(mut self, finding: Option<Finding>) -> Self {
        self.finding = finding;
        self
    }

    pub(super) const fn last_failure(mut self, failure: Option<Failing>) -> Self {
        self.last_failure = failure;
        self
    }

    pub(super) const fn remaining(mut self, remaining: Option<Remaining>) -> Self {
        self.remaining = remaining;
        self
    }

    /// How it is doing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.finding
            .map_or(Verdict::Ok, |finding| finding.cause.verdict())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {:<14}", self.verdict(), self.topic.as_str())?;
        match self.at {
            Some(at) => write!(f, " {at}")?,
            None => f.write_str(" -")?,
        }
        if let Some(remaining) = self.remaining {
            let Remaining {
                requests, limit, ..
            } = remaining;
            write!(f, " {requests} of {limit} left")?;
            if let Some(until) = remaining.held_until {
                write!(f, ", none before {until}")?;
            }
        }
        if let Some(Finding { cause, since }) = self.finding {
            write!(f, " {cause}")?;
            if let Some(since) = since {
                write!(f, " since {since}")?;
            }
            write!(f, "\n         {} {}", cause.meaning(), cause.action())?;
        }
        Ok(())
    }
}

fn worst(lines: &[Line]) -> Verdict {
    let verdicts = lines.iter().map(Line::verdict);
    verdicts.max().unwrap_or(Verdict::Ok)
}

/// How one creator is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatorHealth {
    /// Who.
    pub creator: CreatorId,
    /// When it was looked.
    pub at: Timestamp,
    /// When a process last noted anything about the creator: how old this is. What goes on in another process is
    /// known within 30 s. `None` if nothing ever was.
    pub noted_at: Option<Timestamp>,
    /// What was found.
    pub lines: Vec<Line>,
}

impl CreatorHealth {
    pub(super) const fn new(
        creator: CreatorId,
        at: Timestamp,
        noted_at: Option<Timestamp>,
        lines: Vec<Line>,
    ) -> Self {
        Self {
            creator,
            at,
            noted_at,
            lines,
        }
    }

    /// That of the worst line.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        worst(&self.lines)
    }

    /// What is wrong, the worst first.
    #[must_use]
    pub fn causes(&self) -> Vec<Cause> {
        causes(&self.lines)
    }
}

impl fmt::Display for CreatorHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "creator {}: {}", self.creator, self.verdict())?;
        age(f, self.at, self.noted_at)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// How a deployment is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeploymentHealth {
    /// When it was looked.
    pub at: Timestamp,
    /// When a process last noted anything about the deployment: how old this is. `None` if nothing ever was, or
    /// the store does not answer.
    pub noted_at: Option<Timestamp>,
    /// What the deployment has once.
    pub lines: Vec<Line>,
    /// How many creators are well.
    pub well: usize,
    /// The creators who are not, by their ids.
    pub unwell: Vec<CreatorHealth>,
}

impl DeploymentHealth {
    pub(super) const fn new(at: Timestamp, noted_at: Option<Timestamp>, lines: Vec<Line>) -> Self {
        Self {
            at,
            noted_at,
            lines,
            well: 0,
            unwell: Vec::new(),
        }
    }

    /// That of the worst line of the deployment itself. Creators have their own.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        worst(&self.lines)
    }

    /// What is wrong with the deployment itself, the worst first.
    #[must_use]
    pub fn causes(&self) -> Vec<Cause> {
        causes(&self.lines)
    }
}

impl fmt::Display for DeploymentHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "deployment: {}", self.verdict())?;
        age(f, self.at, self.noted_at)?;
        self.lines
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "{} creators are well", self.well)?;
        self.unwell
            .iter()
            .try_for_each(|creator| write!(f, "\n{creator}"))
    }
}

/// A line that says how old the lines below it are.
fn age(f: &mut fmt::Formatter<'_>, at: Timestamp, noted_at: Option<Timestamp>) -> fmt::Result {
    match noted_at {
        Some(noted_at) => {
            let seconds = at.since(noted_at).as_secs();
            writeln!(f, "looked at {at}, last noted {seconds} s before")
        }
        None => writeln!(f, "looked at {at}, nothing noted yet"),
    }
}

fn causes(lines: &[Line]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = lines
        .iter()
        .filter_map(|line| line.finding)
        .map(|finding| finding.cause)
        .collect();
    causes.sort_by_key(|cause| (std::cmp::Reverse(cause.verdict()), *cause));
    causes
}
