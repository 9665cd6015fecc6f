//! What happens to a conversation, drawn from a seed.

use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::settings::Mode;

/// What a message of the fan says about whether they want messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    None,
    Stop,
    Resume,
}

/// How Fanvue tells of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    AtOnce,
    /// Without its words, which have to be fetched.
    Wordless,
    /// Later, or never: until then only the chat shows it.
    Late,
    LateAndWordless,
}

impl How {
    pub(super) const fn is_wordless(self) -> bool {
        matches!(self, Self::Wordless | Self::LateAndWordless)
    }

    pub(super) const fn is_late(self) -> bool {
        matches!(self, Self::Late | Self::LateAndWordless)
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    FanWrites {
        number: u32,
        sign: Sign,
        how: How,
    },
    /// The event of a message that Fanvue was late with.
    Arrives {
        number: u32,
    },
    /// An event that came before comes once more.
    ArrivesAgain {
        number: u32,
    },
    FanDeletes {
        number: u32,
    },
    HumanWrites {
        number: u32,
    },
    /// The event of a reply of ours, counted from the latest.
    Echo {
        back: usize,
    },
    Pause,
    Resume,
    OptOut,
    OptIn,
    Mode(Mode),
    Approve,
    Reject,
    Regenerate,
}

/// How long before each act nothing else happens, in milliseconds. Whole seconds, while everything that falls due
/// does so a quarter past: nothing is decided by which of two is first.
const WAITS: [u64; 10] = [
    1_000, 1_000, 2_000, 3_000, 5_000, 9_000, 12_000, 30_000, 110_000, 700_000,
];

/// A script: what happens, and how long after what was before.
pub(super) fn script(seed: Seed) -> Vec<(u64, Act)> {
    let mut dice = Dice { seed, drawn: 0 };
    let mut told: Vec<u32> = Vec::new();
    let mut late: Vec<u32> = Vec::new();
    let mut number = 100;
    let length = 8 + dice.below(12);
    let mut acts = Vec::new();
    for _ in 0..length {
        let wait = WAITS[usize::try_from(dice.below(10)).unwrap()];
        let act = match dice.below(100) {
            0..=37 => {
                number += 1;
                let sign = match dice.below(12) {
                    0 => Sign::Stop,
                    1 => Sign::Resume,
                    _ => Sign::None,
                };
                let how = match dice.below(10) {
                    0..=5 => How::AtOnce,
                    6 => How::Wordless,
                    7 => How::LateAndWordless,
                    _ => How::Late,
                };
                match how {
                    How::AtOnce | How::Wordless => told.push(number),
                    How::Late | How::LateAndWordless => late.push(number),
                }
                Act::FanWrites { number, sign, how }
            }
            38..=45 if !late.is_empty() => {
                let number = late.remove(dice.index(late.len()));
                told.push(number);
                Act::Arrives { number }
            }
            46..=52 if !told.is_empty() => Act::ArrivesAgain {
                number: told[dice.index(told.len())],
            },
            53..=56 if !told.is_empty() => Act::FanDeletes {
                number: told[dice.index(told.len())],
            },
            57..=62 => {
                number += 1;
                Act::HumanWrites { number }
            }
            63..=67 => Act::Echo {
                back: dice.index(3),
            },
            68..=70 => Act::Pause,
            71..=74 => Act::Resume,
            75 => Act::OptOut,
            76..=78 => Act::OptIn,
            79..=82 => Act::Mode(Mode::Draft),
            83..=85 => Act::Mode(Mode::Auto),
            86 => Act::Mode(Mode::Off),
            87..=93 => Act::Approve,
            94..=95 => Act::Reject,
            _ => Act::Regenerate,
        };
        acts.push((wait, act));
    }
    acts
}

struct Dice {
    seed: Seed,
    drawn: u64,
}

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        self.seed
            .derive(&format!("dice {}", self.drawn))
            .in_range(0, end - 1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }
}
