//! What is different for one fan.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    FollowUps, InvalidSettings, Mode, NoSellWindows, Pace, QuietHours, Settings, Thanks, millis,
};

/// Settings that are different for one fan. What is `None` is as for all fans of the creator, also when
/// that changes later.
///
/// What depends on each other is overridden together, so that no later change of the creator's settings
/// can make the two contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Overrides {
    /// How far the bot may go by itself with this fan. While the creator's own mode is off it stays off:
    /// who stops a creator stops all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Do everything but the send. While the creator's own dry run is on it is on: it is one switch for every fan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// In place of [`Settings::settle_window`] and [`Settings::longest_settle`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Settle>,
    /// How long a reply is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// When no reply goes out by itself; [`QuietHours::none`] for a fan who is answered at all hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// How long a human's message keeps the bot out.
    #[serde(with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub human_pause: Option<Duration>,
    /// Whether this fan sees the typing signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing_signal: Option<bool>,
    /// Whether this fan gets a nudge after a silence, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_ups: Option<FollowUps>,
    /// After which payments this fan is thanked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thanks: Option<Thanks>,
    /// For how long this fan is offered nothing after what makes an offer out of place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_sell: Option<NoSellWindows>,
}

/// How long a burst of messages is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "exactly this pair")]
pub struct Settle {
    /// How long to wait for the next message; each restarts it.
    #[serde(with = "millis")]
    pub window: Duration,
    /// The longest that a burst is waited for.
    #[serde(with = "millis")]
    pub longest: Duration,
}

impl Overrides {
    /// Everything as for all fans.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            mode: None,
            dry_run: None,
            settle: None,
            pace: None,
            quiet_hours: None,
            human_pause: None,
            typing_signal: None,
            follow_ups: None,
            thanks: None,
            no_sell: None,
        }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Checks each value and the values against each other. What is valid here stays so under all valid
    /// settings of a creator.
    ///
    /// # Errors
    /// As [`Settings::validate`], by the names of the creator's settings.
    pub fn validate(&self) -> Result<(), InvalidSettings> {
        if self.is_none() {
            return Ok(());
        }
        Settings::default().with(self).validate()
    }
}

impl Settings {
    /// What holds for a fan for whom these are different. The one place in which the two are put together.
    #[must_use]
    pub fn with(&self, overrides: &Overrides) -> Cow<'_, Self> {
        if overrides.is_none() {
            return Cow::Borrowed(self);
        }
        let mut settings = self.clone();
        let Overrides {
            mode,
            dry_run,
            settle,
            pace,
            quiet_hours,
            human_pause,
            typing_signal,
            follow_ups,
            thanks,
            no_sell,
        } = overrides;
        if let Some(mode) = mode
            && settings.mode != Mode::Off
        {
            settings.mode = *mode;
        }
        if let Some(Settle { window, longest }) = *settle {
            settings = settings.settle(window, longest);
        }
        if let Some(quiet_hours) = quiet_hours {
            settings.quiet_hours.clone_from(quiet_hours);
        }
        settings.dry_run |= dry_run.unwrap_or_default();
        settings.pace = pace.unwrap_or(settings.pace);
        settings.human_pause = human_pause.unwrap_or(settings.human_pause);
        settings.typing_signal = typing_signal.unwrap_or(settings.typing_signal);
        settings.follow_ups = follow_ups.unwrap_or(settings.follow_ups);
        settings.thanks = thanks.unwrap_or(settings.thanks);
        settings.no_sell = no_sell.unwrap_or(settings.no_sell);
        Cow::Owned(settings)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn no_windows() -> NoSellWindows {
        NoSellWindows {
            after_upset: Duration::ZERO,
            after_refund: Duration::ZERO,
            after_goodbye: Duration::ZERO,
            after_crisis: Duration::ZERO,
        }
    }

    fn everything() -> Overrides {
        Overrides {
            mode: Some(Mode::Auto),
            dry_run: Some(true),
            settle: Some(Settle {
                window: Duration::from_secs(1),
                longest: Duration::from_secs(2),
            }),
            pace: Some(Pace::Immediate),
            quiet_hours: Some(QuietHours::in_zone("Europe/Berlin")),
            human_pause: Some(Duration::from_secs(60)),
            typing_signal: Some(false),
            follow_ups: Some(FollowUps::after(
                Duration::from_secs(7_200),
                Duration::from_secs(86_400),
            )),
            thanks: Some(Thanks::none()),
            no_sell: Some(no_windows()),
        }
    }

    #[test]
    fn what_is_overridden_is_different_and_all_else_as_for_all() {
        let creator = Settings::default();
        assert!(matches!(
            creator.with(&Overrides::none()),
            Cow::Borrowed(same) if *same == creator
        ));
        let expected = Settings {
            mode: Mode::Auto,
            dry_run: true,
            settle_window: Duration::from_secs(1),
            longest_settle: Duration::from_secs(2),
            pace: Pace::Immediate,
            quiet_hours: QuietHours::in_zone("Europe/Berlin"),
            human_pause: Duration::from_secs(60),
            typing_signal: false,
            follow_ups: FollowUps::after(Duration::from_secs(7_200), Duration::from_secs(86_400)),
            thanks: Thanks::none(),
            no_sell: no_windows(),
            ..Settings::default()
        };
        assert_eq!(*creator.with(&everything()), expected);
    }

    #[test]
    fn a_dry_run_of_the_creator_is_one_for_every_fan() {
        let mut creator = Settings::default();
        let fan = |dry_run| Overrides {
            dry_run,
            ..Overrides::none()
        };
        assert!(creator.with(&fan(Some(true))).dry_run);
        assert!(!creator.with(&fan(Some(false))).dry_run);
        creator.dry_run = true;
        for dry_run in [None, Some(false), Some(true)] {
            assert!(creator.with(&fan(dry_run)).dry_run, "{dry_run:?}");
        }
    }

    #[test]
    fn a_creator_who_is_off_is_off_for_every_fan() {
        let off = Settings::default().mode(Mode::Off);
        assert_eq!(off.with(&everything()).mode, Mode::Off);
    }

    #[test]
    fn overrides_read_back_and_those_of_an_older_version_are_none() {
        for overrides in [Overrides::none(), everything()] {
            let written = serde_json::to_string(&overrides).unwrap();
            let read: Overrides = serde_json::from_str(&written).unwrap();
            assert_eq!(read, overrides, "{written}");
        }
        assert_eq!(serde_json::to_string(&Overrides::none()).unwrap(), "{}");
    }

    proptest! {
        #[test]
        fn what_is_valid_for_a_fan_is_valid_whatever_the_creators_settings_are(
            creator in (0..=3_600_u64, 0..=3_600_u64, 0..=86_400_u64, 0..=86_400_u64),
            fan in (0..=3_600_u64, 0..=3_600_u64, 0..=86_400_u64, 0..=86_400_u64),
            parts in 0_u8..8,
        ) {
            let seconds = Duration::from_secs;
            let settle = |a: u64, b: u64| Settle {
                window: seconds(a.min(b)),
                longest: seconds(a.max(b)),
            };
            let pace = |a: u64, b: u64| {
                Pace::natural(seconds(9), seconds(a.min(b)), seconds(a.max(b)))
            };
            let Settle { window, longest } = settle(creator.0, creator.1);
            let settings = Settings::default()
                .settle(window, longest)
                .pace(pace(creator.2, creator.3));
            let overrides = Overrides {
                settle: (parts & 1 > 0).then(|| settle(fan.0, fan.1)),
                pace: (parts & 2 > 0).then(|| pace(fan.2, fan.3)),
                human_pause: (parts & 4 > 0).then(|| seconds(60 + fan.2)),
                ..Overrides::none()
            };
            prop_assert_eq!(settings.validate(), Ok(()));
            prop_assert_eq!(overrides.validate(), Ok(()));
            prop_assert_eq!(settings.with(&overrides).validate(), Ok(()));
        }
    }
}
