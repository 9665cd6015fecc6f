//! How the bot behaves for one creator: every number and switch, its default, and what it may be.
//!
//! ```
//! use std::time::Duration;
//!
//! use fanvue_bot_core::settings::{Mode, Nearest, Settings};
//!
//! let settings = Settings::default()
//!     .mode(Mode::Auto)
//!     .settle(Duration::from_secs(30), Duration::from_secs(25));
//! let refused = settings.validate().unwrap_err();
//! let fault = &refused.faults()[0];
//! assert_eq!(&*fault.field, "settle_window");
//! assert_eq!(fault.nearest, Some(Nearest::Millis(Duration::from_secs(25))));
//! ```
//!
//! A [`Store`](crate::store::Store) keeps no creator whose settings contradict each other, so whatever is
//! read back is valid. A setting acts on the next decision after its commit: nothing caches it.
//!
//! [`Overrides`] are what is different for one fan. They are part of the conversation, and
//! [`Settings::with`] puts the two together.

mod fault;
mod follow_ups;
pub(crate) mod millis;
mod mode;
mod no_sell;
mod overrides;
mod pace;
mod quiet_hours;
mod stages;
mod thanks;
mod time_of_day;
mod weekdays;
mod zone;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::fault::minutes;
pub use self::fault::{Fault, InvalidSettings, Nearest};
pub(crate) use self::fault::{Faults, sentences};
pub use self::follow_ups::FollowUps;
pub use self::mode::Mode;
pub use self::no_sell::NoSellWindows;
pub use self::overrides::{Overrides, Settle};
pub use self::pace::Pace;
pub use self::quiet_hours::{QuietHours, QuietWindow};
pub use self::stages::Stages;
pub use self::thanks::Thanks;
pub use self::time_of_day::{ParseTimeOfDayError, TimeOfDay};
pub use self::weekdays::{Weekday, Weekdays};

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
    /// the pause between two lines of one thought. At most `longest_settle`.
    #[serde(with = "millis")]
    pub settle_window: Duration,
    /// The longest that a burst is waited for. Default: 25 s, after which a person would look. At most 1 h.
    #[serde(with = "millis")]
    pub longest_settle: Duration,
    /// How long a reply is held back, so that it comes when a person's would.
    pub pace: Pace,
    /// When no reply goes out by itself: what arrives then is answered after, and no send is begun shortly
    /// before. What an operator approved goes out at once, since a person decided. Default: no time, since
    /// only the creator knows when they sleep.
    pub quiet_hours: QuietHours,
    /// How long a human's message keeps the bot out of a conversation. Default: 1 h, longer than most
    /// exchanges pause. 1 min to 30 days.
    #[serde(with = "millis")]
    pub human_pause: Duration,
    /// How long a draft waits for an operator; after that it is not sent any more. Default: 24 h, since a
    /// later answer reads as one to something else, and somebody looks in once a day. Holds for drafts that are
    /// written from then on. 1 min to 30 days.
    #[serde(with = "millis")]
    pub draft_expiry: Duration,
    /// Whether the fan sees the typing signal while a reply is written and held back. Default: yes. Has
    /// no effect for accounts that an agency runs, where it is always off.
    pub typing_signal: bool,
    /// At most this many stored messages are given to the model. Default: 400; the token budget usually
    /// cuts earlier. 1 to 10,000.
    pub history_limit: usize,
    /// At most this many tokens of prompt. Default: 8000. 500 to 2,000,000.
    pub prompt_tokens: u32,
    /// At most this many tokens of answer. Default: 400, far more than a chat message has. 1 to 100,000.
    pub reply_tokens: u32,
    /// From when on a fan is at which stage, for which the persona may have guidance.
    pub stages: Stages,
    /// Whether a fan who does not answer gets one nudge, and when.
    pub follow_ups: FollowUps,
    /// After which payments the fan is thanked.
    pub thanks: Thanks,
    /// For how long a fan is offered nothing after what makes an offer out of place.
    pub no_sell: NoSellWindows,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            dry_run: false,
            settle_window: Duration::from_secs(8),
            longest_settle: Duration::from_secs(25),
            pace: Pace::default(),
            quiet_hours: QuietHours::none(),
            human_pause: minutes(60),
            draft_expiry: minutes(24 * 60),
            typing_signal: true,
            history_limit: 400,
            prompt_tokens: 8_000,
            reply_tokens: 400,
            stages: Stages::default(),
            follow_ups: FollowUps::default(),
            thanks: Thanks::default(),
            no_sell: NoSellWindows::default(),
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

    /// With these quiet hours.
    #[must_use]
    pub fn quiet_hours(mut self, quiet_hours: QuietHours) -> Self {
        self.quiet_hours = quiet_hours;
        self
    }

    /// With follow-ups like this.
    #[must_use]
    pub const fn follow_ups(mut self, follow_ups: FollowUps) -> Self {
        self.follow_ups = follow_ups;
        self
    }

    /// Thanking for these payments.
    #[must_use]
    pub const fn thanks(mut self, thanks: Thanks) -> Self {
        self.thanks = thanks;
        self
    }

    /// Checks each value and the values against each other.
    ///
    /// # Errors
    /// All faults at once, each with the field, the reason, and the nearest valid value.
    pub fn validate(&self) -> Result<(), InvalidSettings> {
        let mut faults = Faults::default();
        faults.duration(
            "longest_settle",
            self.longest_settle,
            Duration::ZERO..=minutes(60),
            "who waits longer for a burst leaves the fan without an answer",
        );
        if self.settle_window > self.longest_settle {
            faults.push(
                "settle_window",
                format!(
                    "{} ms is longer than longest_settle, which is {} ms",
                    self.settle_window.as_millis(),
                    self.longest_settle.as_millis()
                ),
                Some(Nearest::Millis(self.longest_settle.min(minutes(60)))),
            );
        }
        self.pace.check(&mut faults);
        self.quiet_hours.check(&mut faults);
        faults.duration(
            "human_pause",
            self.human_pause,
            minutes(1)..=minutes(30 * 24 * 60),
            "a shorter pause lets the bot talk over a human, a longer one is mode `off`",
        );
        faults.duration(
            "draft_expiry",
            self.draft_expiry,
            minutes(1)..=minutes(30 * 24 * 60),
            "nobody reads a draft sooner, and after a longer time it answers nothing any more",
        );
        faults.count(
            "history_limit",
            self.history_limit as u64,
            1..=10_000,
            "without a message the model does not see what it answers, and more are never shown",
        );
        faults.count(
            "prompt_tokens",
            u64::from(self.prompt_tokens),
            500..=2_000_000,
            "fewer hold no persona and message, and no model reads more",
        );
        faults.count(
            "reply_tokens",
            u64::from(self.reply_tokens),
            1..=100_000,
            "a reply has at least one, and no message is longer",
        );
        self.stages.check(&mut faults);
        self.follow_ups.check(&mut faults);
        self.no_sell.check(&mut faults);
        faults.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(settings: &Settings) -> Vec<(String, Option<Nearest>)> {
        let refused = settings.validate().unwrap_err();
        refused
            .faults()
            .iter()
            .map(|fault| (fault.field.to_string(), fault.nearest.clone()))
            .collect()
    }

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
    fn contradictions_are_named_all_at_once_with_the_nearest_valid_value() {
        let settings = Settings {
            settle_window: Duration::from_secs(30),
            human_pause: Duration::ZERO,
            history_limit: 0,
            prompt_tokens: 499,
            reply_tokens: 0,
            pace: Pace::natural(minutes(0), minutes(5), minutes(3)),
            ..Settings::default()
        };
        assert_eq!(
            faults(&settings),
            [
                ("settle_window", Nearest::Millis(Duration::from_secs(25))),
                ("pace.shortest", Nearest::Millis(minutes(3))),
                ("human_pause", Nearest::Millis(minutes(1))),
                ("history_limit", Nearest::Count(1)),
                ("prompt_tokens", Nearest::Count(500)),
                ("reply_tokens", Nearest::Count(1)),
            ]
            .map(|(field, nearest)| (field.to_owned(), Some(nearest)))
        );
        let said = settings.validate().unwrap_err().to_string();
        assert!(
            said.contains(
                "settle_window: 30000 ms is longer than longest_settle, which is 25000 ms; \
                 the nearest valid value is 25000 ms"
            ),
            "{said}"
        );
    }

    #[test]
    fn what_is_beyond_all_sense_is_refused() {
        let year = minutes(365 * 24 * 60);
        let settings = Settings {
            settle_window: Duration::MAX,
            longest_settle: Duration::MAX,
            human_pause: year,
            draft_expiry: year,
            history_limit: usize::MAX,
            prompt_tokens: u32::MAX,
            reply_tokens: u32::MAX,
            pace: Pace::natural(year, year, year),
            ..Settings::default()
        };
        let fields: Vec<String> = faults(&settings).into_iter().map(|(f, _)| f).collect();
        assert_eq!(
            fields,
            [
                "longest_settle",
                "pace.live_within",
                "pace.longest",
                "human_pause",
                "draft_expiry",
                "history_limit",
                "prompt_tokens",
                "reply_tokens"
            ]
        );
    }

    /// Setting each field to its nearest valid value makes the whole valid, for numbers at least.
    #[test]
    fn the_nearest_value_is_valid_itself() {
        let broken = Settings::default().settle(minutes(90), minutes(80));
        let nearest: Vec<_> = faults(&broken);
        assert_eq!(nearest[0].1, Some(Nearest::Millis(minutes(60))));
        assert_eq!(nearest[1].1, Some(Nearest::Millis(minutes(60))));
        let mended = Settings::default().settle(minutes(60), minutes(60));
        assert_eq!(mended.validate(), Ok(()));
    }

    #[test]
    fn settings_written_by_an_older_version_read_with_defaults() {
        let settings: Settings = serde_json::from_str(r#"{"mode":"auto"}"#).unwrap();
        assert_eq!(settings, Settings::default().mode(Mode::Auto));
    }
}
