//! Who the fans are: how each of them writes, and when.

use std::fmt;
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;

use super::cast::{Action, Dice};

const DAY: Duration = Duration::from_secs(86_400);
/// From the time of day at which days begin to 22:30 in Berlin, where the creators' nights are quiet.
const TO_NIGHT: Duration = Duration::from_secs(25_000);

/// How a fan writes in a simulated week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Character {
    /// Writes a few messages in a row, now and then.
    Plain,
    /// Holds long exchanges, a message at a time.
    Chatty,
    /// Writes nothing.
    Silent,
    /// Writes many messages within seconds.
    Bursty,
    /// Writes at night, when the creators keep quiet hours.
    NightOwl,
    /// Sends media.
    Buyer,
    /// Feels cheated, and says so.
    Upset,
    /// Says goodbye, and writes nothing after it.
    Leaving,
    /// Says that they are under age, and goes on.
    MinorHint,
    /// Says that they want to die, and goes on.
    Crisis,
    /// Asks whether a bot is writing.
    Doubter,
    /// Wants no more messages; half of them want them again later.
    Quitter,
}

impl Character {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Plain,
        Self::Chatty,
        Self::Silent,
        Self::Bursty,
        Self::NightOwl,
        Self::Buyer,
        Self::Upset,
        Self::Leaving,
        Self::MinorHint,
        Self::Crisis,
        Self::Doubter,
        Self::Quitter,
    ];

    /// The name under which it is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Chatty => "chatty",
            Self::Silent => "silent",
            Self::Bursty => "bursty",
            Self::NightOwl => "night owl",
            Self::Buyer => "buyer",
            Self::Upset => "upset",
            Self::Leaving => "leaving",
            Self::MinorHint => "minor hint",
            Self::Crisis => "crisis",
            Self::Doubter => "doubter",
            Self::Quitter => "quitter",
        }
    }

    /// What they do in `length` from `start` on, in about `bursts` goes.
    pub(super) fn script(
        self,
        dice: &Dice,
        bursts: u64,
        start: Timestamp,
        length: Duration,
    ) -> Vec<(Timestamp, Action)> {
        let mut script = Script {
            dice,
            acts: Vec::new(),
        };
        let third = length / 3;
        match self {
            Self::Plain => script.bursts(bursts, start, length),
            Self::Chatty => {
                for _ in 0..bursts {
                    let at = script.within(start, length);
                    let messages = 6 + dice.below(6);
                    script.row(at, messages, (30_000, 90_000), &[Action::FanWrites]);
                }
            }
            Self::Silent => {}
            Self::Bursty => {
                for _ in 0..bursts.div_ceil(2) {
                    let at = script.within(start, length);
                    let messages = 5 + dice.below(6);
                    script.row(at, messages, (300, 2_700), &[Action::FanWrites]);
                }
            }
            Self::NightOwl => {
                for _ in 0..bursts {
                    let nights = (length.as_secs() / DAY.as_secs()).max(1);
                    let night = u32::try_from(dice.below(nights)).unwrap_or(0);
                    let at =
                        script.within(start + DAY * night + TO_NIGHT, Duration::from_secs(16_000));
                    script.row(at, 1 + dice.below(3), (500, 9_000), &[Action::FanWrites]);
                }
            }
            Self::Buyer => {
                for _ in 0..bursts {
                    let at = script.within(start, length);
                    let acts = [Action::FanSendsMedia, Action::FanWrites];
                    script.row(at, 1 + dice.below(3), (500, 9_000), &acts);
                }
            }
            Self::Upset => script.saying(Sign::Upset, bursts, start, length),
            Self::MinorHint => script.saying(Sign::Minor, bursts, start, length),
            Self::Crisis => script.saying(Sign::Crisis, bursts, start, length),
            Self::Leaving => {
                script.bursts(bursts, start, third);
                let at = script.within(start + third + DAY / 24, third);
                script.says(at, Sign::Farewell);
            }
            Self::Doubter => {
                for _ in 0..bursts {
                    let at = script.within(start, length);
                    script.says(at, Sign::Doubt);
                    let messages = dice.below(3);
                    script.row(
                        at + Duration::from_secs(2),
                        messages,
                        (500, 9_000),
                        &[Action::FanWrites],
                    );
                }
            }
            Self::Quitter => {
                script.bursts(bursts, start, length);
                let at = script.within(start + third, third / 2);
                script.says(at, Sign::Stop);
                if dice.chance(500) {
                    let at = script.within(start + third * 2, third / 2);
                    script.says(at, Sign::Resume);
                }
            }
        }
        script.acts
    }
}

impl fmt::Display for Character {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the words of a fan are a sign of, where the script has them say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Stop,
    Resume,
    Minor,
    Crisis,
    Doubt,
    Upset,
    Farewell,
}

impl Sign {
    /// The words, in English and German.
    pub(super) const fn phrases(self) -> [&'static str; 2] {
        match self {
            Self::Stop => ["please stop messaging me", "schreib mir bitte nicht mehr"],
            Self::Resume => ["you can text me again", "du kannst mir wieder schreiben"],
            Self::Minor => ["i am only 16 years old", "ich bin erst 16 jahre alt"],
            Self::Crisis => ["i want to kill myself", "ich will nicht mehr leben"],
            Self::Doubt => ["are you a bot?", "bist du ein bot?"],
            Self::Upset => ["i want my money back", "ich will mein geld zurück"],
            Self::Farewell => ["i have to go now, bye", "ich muss jetzt los, tschüss"],
        }
    }

    /// Whether the script meant `text` as this.
    pub(super) fn is_in(self, text: &str) -> bool {
        self.phrases().iter().any(|phrase| text.starts_with(phrase))
    }
}

struct Script<'a> {
    dice: &'a Dice,
    acts: Vec<(Timestamp, Action)>,
}

impl Script<'_> {
    /// Some time within `length` from `start` on.
    fn within(&self, start: Timestamp, length: Duration) -> Timestamp {
        start + Duration::from_secs(self.dice.below(length.as_secs()))
    }

    /// `messages` in a row, `gap.0` milliseconds apart and up to `gap.1` more; `acts` in turn.
    fn row(&mut self, start: Timestamp, messages: u64, gap: (u64, u64), acts: &[Action]) {
        let mut at = start;
        for act in acts
            .iter()
            .cycle()
            .take(usize::try_from(messages).unwrap_or(0))
        {
            self.acts.push((at, *act));
            at = at + Duration::from_millis(gap.0 + self.dice.below(gap.1));
        }
    }

    fn says(&mut self, at: Timestamp, sign: Sign) {
        let [english, german] = sign.phrases();
        let phrase = if self.dice.chance(500) {
            english
        } else {
            german
        };
        self.acts.push((at, Action::FanSays(phrase)));
    }

    /// Bursts, and the sign of something once among them.
    fn saying(&mut self, sign: Sign, bursts: u64, start: Timestamp, length: Duration) {
        self.bursts(bursts, start, length);
        let at = self.within(start + length / 4, length / 2);
        self.says(at, sign);
    }

    /// A few messages in a row, now and then; some of media, and some with the creator writing by hand.
    fn bursts(&mut self, bursts: u64, start: Timestamp, length: Duration) {
        let dice = self.dice;
        for _ in 0..bursts {
            let mut at = self.within(start, length.max(Duration::from_secs(1)));
            for _ in 0..=dice.below(4) {
                let action = if dice.chance(100) {
                    Action::FanSendsMedia
                } else {
                    Action::FanWrites
                };
                self.acts.push((at, action));
                at = at + Duration::from_millis(500 + dice.below(9_000));
            }
            if dice.chance(150) {
                at = at + Duration::from_secs(dice.below(60));
                self.acts.push((at, Action::HumanWrites));
                if dice.chance(300) {
                    at = at + Duration::from_secs(dice.below(90));
                    self.acts.push((at, Action::HumanDeletes));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::policy::{Detector as _, Phrases, Signal};

    use super::*;

    #[test]
    fn what_the_script_has_fans_say_is_read_as_it_is_meant() {
        for (sign, signal) in [
            (Sign::Stop, Signal::OptOut),
            (Sign::Resume, Signal::Resume),
            (Sign::Minor, Signal::Minor),
            (Sign::Crisis, Signal::Crisis),
            (Sign::Doubt, Signal::BotQuestion),
            (Sign::Upset, Signal::Upset),
            (Sign::Farewell, Signal::Farewell),
        ] {
            for phrase in sign.phrases() {
                let signals = Phrases::all().signals(&format!("{phrase} m17x"));
                assert!(signals.contains(signal), "{phrase}: {signals:?}");
            }
        }
        assert!(Phrases::all().signals("m17x").is_empty());
    }
}
