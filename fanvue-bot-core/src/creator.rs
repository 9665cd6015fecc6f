//! A tenant: one creator, how the bot behaves for them, and who it speaks as.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::Reach;
use crate::id::{AccountId, AgencyId, CreatorId};
use crate::oauth::GrantId;
use crate::persona::Persona;

/// A creator whose fans are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Creator {
    /// Our id.
    pub id: CreatorId,
    /// Their Fanvue account, once connected. At most one creator of a deployment has a given account.
    pub account: Option<AccountId>,
    /// The agency whose grant reaches their chats; `None` for a grant of their own.
    pub agency: Option<AgencyId>,
    /// Whether they take part at all.
    pub status: CreatorStatus,
    /// How the bot behaves.
    pub settings: Settings,
    /// Who the bot speaks as.
    pub persona: Persona,
}

impl Creator {
    /// An active creator with default settings: in [`Mode::Draft`], not connected.
    #[must_use]
    pub fn new(id: CreatorId, persona: Persona) -> Self {
        Self {
            id,
            account: None,
            agency: None,
            status: CreatorStatus::Active,
            settings: Settings::default(),
            persona,
        }
    }

    /// Connected to this Fanvue account.
    #[must_use]
    pub const fn account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// Reached by the grant of this agency.
    #[must_use]
    pub const fn agency(mut self, agency: AgencyId) -> Self {
        self.agency = Some(agency);
        self
    }

    /// The grant by which their chats are reached.
    #[must_use]
    pub const fn grant(&self) -> GrantId {
        match self.agency {
            Some(agency) => GrantId::Agency(agency),
            None => GrantId::Creator(self.id),
        }
    }

    /// How a token of that grant reaches their chats; `None` for an agency's creator whose account is not
    /// known.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        match self.agency {
            Some(_) => self.account.map(Reach::Agency),
            None => Some(Reach::Own),
        }
    }

    /// Whether fans see the typing signal: never for an account that an agency runs, which must not feign
    /// the creator's presence.
    ///
    /// Source: Fanvue API reference, section 11 (Agency Conduct and Compliance).
    #[must_use]
    pub const fn shows_typing(&self) -> bool {
        self.settings.typing_signal && self.agency.is_none()
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

/// Whether a creator takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CreatorStatus {
    /// Messages are stored and answered.
    #[default]
    Active,
    /// Messages are stored and not answered.
    Inactive,
}

/// How far the bot may go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Messages are stored, nothing is written.
    Off,
    /// Every reply waits for an operator's approval. Where a new creator starts, so that nothing goes
    /// out in somebody's name before they have read a few replies.
    #[default]
    Draft,
    /// Replies are sent.
    Auto,
}

/// How the bot behaves for one creator. Every default is a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Settings {
    /// How far the bot may go by itself. Default: draft.
    pub mode: Mode,
    /// Do everything but the send. Default: no.
    pub dry_run: bool,
    /// How long to wait for the next message of a burst; each message restarts it. Default: 8 s, about
    /// the pause between two lines of one thought.
    #[serde(with = "millis")]
    pub settle_window: Duration,
    /// The longest that a burst is waited for. Default: 25 s.
    #[serde(with = "millis")]
    pub longest_settle: Duration,
    /// How long a reply is held back, so that it comes when a person's would.
    pub pace: Pace,
    /// How long a human's message keeps the bot out of a conversation. Default: 1 h.
    #[serde(with = "millis")]
    pub human_pause: Duration,
    /// Whether the fan sees the typing signal while a reply is written and held back. Default: yes. Has
    /// no effect for accounts that an agency runs, where it is always off.
    pub typing_signal: bool,
    /// At most this many stored messages are given to the model. Default: 400; the token budget usually
    /// cuts earlier.
    pub history_limit: usize,
    /// At most this many tokens of prompt. Default: 8000.
    pub prompt_tokens: u32,
    /// At most this many tokens of answer. Default: 400, far more than a chat message has.
    pub reply_tokens: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            dry_run: false,
            settle_window: Duration::from_secs(8),
            longest_settle: Duration::from_secs(25),
            pace: Pace::default(),
            human_pause: Duration::from_secs(3_600),
            typing_signal: true,
            history_limit: 400,
            prompt_tokens: 8_000,
            reply_tokens: 400,
        }
    }
}

impl Settings {
    /// Answering by itself and at once: for first steps and for tests. Fans find the default more natural.
    #[must_use]
    pub fn immediate() -> Self {
        Self::default()
            .mode(Mode::Auto)
            .pace(Pace::Immediate)
            .settle(Duration::ZERO, Duration::ZERO)
    }

    /// In this mode.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Waiting this long for the next message of a burst, and at most `longest` for the whole burst.
    #[must_use]
    pub const fn settle(mut self, window: Duration, longest: Duration) -> Self {
        self.settle_window = window;
        self.longest_settle = longest;
        self
    }

    /// At this pace.
    #[must_use]
    pub const fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Checks the values against each other.
    ///
    /// # Errors
    /// One line for each contradiction: the field, the reason, and the nearest valid value.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if self.settle_window > self.longest_settle {
            faults.push(format!(
                "settle_window ({} ms) must not exceed longest_settle ({} ms); set it to {} ms or less",
                self.settle_window.as_millis(),
                self.longest_settle.as_millis(),
                self.longest_settle.as_millis()
            ));
        }
        if self.history_limit == 0 {
            faults.push(
                "history_limit must be at least 1, or the model does not see what it answers"
                    .to_owned(),
            );
        }
        if self.reply_tokens == 0 {
            faults.push("reply_tokens must be at least 1".to_owned());
        }
        if self.prompt_tokens < 500 {
            faults.push(format!(
                "prompt_tokens ({}) must be at least 500 to hold a persona and a message",
                self.prompt_tokens
            ));
        }
        if let Pace::Natural {
            shortest, longest, ..
        } = self.pace
            && shortest > longest
        {
            faults.push(format!(
                "pace.shortest ({} ms) must not exceed pace.longest ({} ms)",
                shortest.as_millis(),
                longest.as_millis()
            ));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

/// How long a finished reply is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pace", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pace {
    /// Not at all.
    Immediate,
    /// For about as long as a person would take to type it: short while both are in a live exchange,
    /// longer after a silence.
    Natural {
        /// A reply within this time of the last one counts as a live exchange. Default: 45 s.
        #[serde(with = "millis")]
        live_within: Duration,
        /// The shortest hold outside a live exchange. Default: 20 s.
        #[serde(with = "millis")]
        shortest: Duration,
        /// The longest hold outside a live exchange. Default: 180 s.
        #[serde(with = "millis")]
        longest: Duration,
    },
}

impl Pace {
    /// As a person's: short within `live_within` of the last reply, else between `shortest` and `longest`.
    #[must_use]
    pub const fn natural(live_within: Duration, shortest: Duration, longest: Duration) -> Self {
        Self::Natural {
            live_within,
            shortest,
            longest,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::Natural {
            live_within: Duration::from_secs(45),
            shortest: Duration::from_secs(20),
            longest: Duration::from_secs(180),
        }
    }
}

/// Durations as whole milliseconds, which read the same in every format and language.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_creator_starts_in_draft() {
        assert_eq!(Settings::default().mode, Mode::Draft);
        assert_eq!(Settings::default().validate(), Ok(()));
    }

    #[test]
    fn immediate_settings_are_valid() {
        assert_eq!(Settings::immediate().validate(), Ok(()));
    }

    #[test]
    fn contradictions_are_named_all_at_once() {
        let settings = Settings {
            settle_window: Duration::from_secs(30),
            history_limit: 0,
            ..Settings::default()
        };
        let faults = settings.validate().unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(
            faults[0]
                .starts_with("settle_window (30000 ms) must not exceed longest_settle (25000 ms)")
        );
    }

    #[test]
    fn settings_written_by_an_older_version_read_with_defaults() {
        let settings: Settings = serde_json::from_str(r#"{"mode":"auto"}"#).unwrap();
        assert_eq!(settings, Settings::default().mode(Mode::Auto));
    }
}
