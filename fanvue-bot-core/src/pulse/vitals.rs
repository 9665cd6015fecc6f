//! One record: for each part, when it last worked and what failed last.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::client::ClientError;
use crate::llm::LlmError;
use crate::time::Timestamp;

macro_rules! words {
    ($(#[$docs:meta])* pub enum $name:ident { $($(#[$case_docs:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$case_docs])* $case,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$case,)+];

            /// The word under which it is stored and shown; never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)+
                }
            }

            fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What works or fails.
    pub enum Part {
        /// Webhooks: a creator's, or of the deployment those that could not be laid at a creator's door.
        Webhook = "webhook",
        /// The poll that finds what webhooks missed.
        Poll = "poll",
        /// Fanvue's API.
        Fanvue = "fanvue",
        /// The model.
        Model = "model",
        /// Turns: they fail when one is given up for good.
        Turns = "turns",
        /// The workers of the deployment.
        Worker = "worker",
    }
}

words! {
    /// What failed, as far as it matters for what to do about it.
    pub enum Trouble {
        /// Too many requests.
        RateLimited = "rate_limited",
        /// No answer, or one that says to come back later.
        Unavailable = "unavailable",
        /// Fanvue forbids the call: a scope that was not granted.
        Forbidden = "forbidden",
        /// Fanvue does not accept access tokens that it has issued.
        Unauthorized = "unauthorized",
        /// Fanvue has retired the version of its API that this library speaks.
        VersionRetired = "version_retired",
        /// An answer that cannot be read, or one that says no for a reason of its own.
        Rejected = "rejected",
        /// A setting is wrong: a key, a model's name, an address.
        Misconfigured = "misconfigured",
        /// The money is used up.
        OutOfQuota = "out_of_quota",
        /// The model answers with what cannot be used.
        Broken = "broken",
        /// The poll found a message that no webhook brought.
        Missed = "missed",
        /// A signature that no live secret made.
        BadSignature = "bad_signature",
        /// A signature whose time is too far from this machine's.
        WrongClock = "wrong_clock",
        /// A proved event for another creator than its URL names.
        WrongAddress = "wrong_address",
        /// A proved event that cannot be read.
        Unreadable = "unreadable",
        /// A turn was given up for good.
        GivenUp = "given_up",
    }
}

impl Trouble {
    /// What an error of Fanvue's API says about it; `None` if it answers as it should.
    #[must_use]
    pub const fn of_fanvue(error: &ClientError) -> Option<Self> {
        Some(match error {
            // About one fan or one message, and no fault of Fanvue's.
            ClientError::NotFound | ClientError::NotContactable => return None,
            // Told by the status of the grant.
            ClientError::InvalidGrant | ClientError::InvalidClient => return None,
            ClientError::Unauthorized => Self::Unauthorized,
            ClientError::Forbidden { .. } => Self::Forbidden,
            ClientError::RateLimited { .. } => Self::RateLimited,
            ClientError::VersionRetired => Self::VersionRetired,
            ClientError::Unavailable { .. } | ClientError::OutcomeUnknown { .. } => {
                Self::Unavailable
            }
            ClientError::Rejected { .. } | ClientError::Malformed { .. } => Self::Rejected,
        })
    }

    /// What an error of a model says about it; `None` if it is about one prompt.
    #[must_use]
    pub const fn of_model(error: &LlmError) -> Option<Self> {
        Some(match error {
            LlmError::TooLong { .. } | LlmError::Refused => return None,
            LlmError::RateLimited { .. } => Self::RateLimited,
            LlmError::OutOfQuota { .. } => Self::OutOfQuota,
            LlmError::Overloaded { .. } => Self::Unavailable,
            LlmError::Misconfigured { .. } => Self::Misconfigured,
            LlmError::Broken { .. } => Self::Broken,
        })
    }
}

/// A failure: what, since when, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Failing {
    /// What.
    pub trouble: Trouble,
    /// Since when, without having worked in between.
    pub since: Timestamp,
    /// When last.
    pub at: Timestamp,
}

/// How one part is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Vital {
    /// When it last worked.
    pub worked_at: Option<Timestamp>,
    /// What failed last, also if it has worked since.
    pub last_failure: Option<Failing>,
}

impl Vital {
    /// What fails now: the last failure, if it has not worked since.
    #[must_use]
    pub fn failing(&self) -> Option<Failing> {
        self.last_failure
            .filter(|failure| self.worked_at.is_none_or(|worked| failure.at > worked))
    }

    /// What both say together, whichever is asked and however often.
    fn merged(&self, other: &Self) -> Self {
        let worked_at = self.worked_at.max(other.worked_at);
        let after_work = |time| worked_at.is_none_or(|worked| time > worked);
        let failures = || {
            [self.last_failure, other.last_failure]
                .into_iter()
                .flatten()
        };
        let mut last =
            failures().max_by_key(|failure| (failure.at, failure.trouble, Reverse(failure.since)));
        if let Some(last) = &mut last
            && after_work(last.at)
        {
            // The same failure, seen by two: since whoever saw it first, if it did not work meanwhile.
            last.since = failures()
                .filter(|failure| failure.trouble == last.trouble && after_work(failure.since))
                .map(|failure| failure.since)
                .min()
                .unwrap_or(last.at);
        }
        Self {
            worked_at,
            last_failure: last,
        }
    }
}

/// How the parts of one creator, or of the deployment, are doing. Holds times and words of this library alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vitals(BTreeMap<Part, Vital>);

impl Vitals {
    /// How this part is doing.
    #[must_use]
    pub fn of(&self, part: Part) -> Vital {
        self.0.get(&part).copied().unwrap_or_default()
    }

    /// When something was last noted, of whichever part; `None` if nothing ever was. What is told of them is as old
    /// as that.
    #[must_use]
    pub fn noted_at(&self) -> Option<Timestamp> {
        let times = self.0.values().flat_map(|vital| {
            let failed_at = vital.last_failure.map(|failure| failure.at);
            [vital.worked_at, failed_at]
        });
        times.flatten().max()
    }

    pub(super) fn works(&mut self, part: Part, now: Timestamp) {
        self.learn(
            part,
            &Vital {
                worked_at: Some(now),
                last_failure: None,
            },
        );
    }

    pub(super) fn fails(&mut self, part: Part, trouble: Trouble, now: Timestamp) {
        let (since, at) = (now, now);
        self.learn(
            part,
            &Vital {
                worked_at: None,
                last_failure: Some(Failing { trouble, since, at }),
            },
        );
    }

    fn learn(&mut self, part: Part, vital: &Vital) {
        let known = self.0.entry(part).or_default();
        *known = known.merged(vital);
    }

    pub(super) fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        for (part, vital) in &other.0 {
            merged.learn(*part, vital);
        }
        merged
    }

    /// Whether `newer` adds nothing.
    pub(super) fn says_the_same_as(&self, newer: &Self) -> bool {
        self.merged(newer) == *self
    }

    /// Whether, by `newer`, something has begun or ceased to fail.
    pub(super) fn is_contradicted_by(&self, newer: &Self) -> bool {
        let merged = self.merged(newer);
        let failing = |vital: Vital| vital.failing().map(|failing| failing.trouble);
        Part::ALL
            .iter()
            .any(|part| failing(self.of(*part)) != failing(merged.of(*part)))
    }

    /// One line for each part: its name, when it worked, and what failed, since when and when, with `-` for
    /// what there is not. Times in microseconds.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let time =
            |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.as_micros().to_string());
        for (part, vital) in &self.0 {
            let (word, failure) = (part.as_str(), vital.last_failure);
            let trouble = failure.map_or("-", |failure| failure.trouble.as_str());
            let since = time(failure.map(|failure| failure.since));
            let at = time(failure.map(|failure| failure.at));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{word} {} {trouble} {since} {at}",
                time(vital.worked_at)
            );
        }
        text
    }

    /// Passes over what a newer version wrote.
    pub(super) fn from_text(text: &str) -> Self {
        let time = |word: &str| word.parse().ok().map(Timestamp::from_micros);
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [part, worked_at, trouble, since, at] = words[..] else {
                return None;
            };
            let failure = Trouble::from_word(trouble).and_then(|trouble| {
                let (since, at) = (time(since)?, time(at)?);
                Some(Failing { trouble, since, at })
            });
            let vital = Vital {
                worked_at: time(worked_at),
                last_failure: failure,
            };
            Some((Part::from_word(part)?, vital))
        };
        Self(text.lines().filter_map(line).collect())
    }
}
