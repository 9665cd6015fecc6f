//! What a fan's words are a sign of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something in a fan's words that changes what may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// They ask or doubt whether a person writes.
    BotQuestion,
    /// They may be under 18.
    Minor,
    /// They speak of harming themselves or of not wanting to live.
    Crisis,
    /// They want no more messages.
    OptOut,
    /// They want messages again.
    Resume,
    /// They say goodbye for now.
    Farewell,
    /// They are angry or disappointed with the creator, or want money back.
    Upset,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BotQuestion,
        Self::Minor,
        Self::Crisis,
        Self::OptOut,
        Self::Resume,
        Self::Farewell,
        Self::Upset,
    ];

    /// The name under which it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BotQuestion => "bot_question",
            Self::Minor => "minor",
            Self::Crisis => "crisis",
            Self::OptOut => "opt_out",
            Self::Resume => "resume",
            Self::Farewell => "farewell",
            Self::Upset => "upset",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of signals. Serialized as the list of their names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Signal>", into = "Vec<Signal>")]
pub struct Signals(u16);

impl Signals {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `signal` is among them.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// These and `signal`.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | signal.bit())
    }

    /// These and `others`.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those of them that are not among `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Each of them, in the order of [`Signal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL
            .into_iter()
            .filter(move |signal| self.contains(*signal))
    }
}

impl FromIterator<Signal> for Signals {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        signals.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Signal> for Signals {
    fn from(signal: Signal) -> Self {
        Self::NONE.with(signal)
    }
}

impl From<Vec<Signal>> for Signals {
    fn from(signals: Vec<Signal>) -> Self {
        signals.into_iter().collect()
    }
}

impl From<Signals> for Vec<Signal> {
    fn from(signals: Signals) -> Self {
        signals.iter().collect()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_as_it_was_written() {
        for signal in Signal::ALL {
            let set = Signals::from(signal).with(Signal::Upset);
            let json = serde_json::to_string(&set).unwrap();
            assert!(json.contains(signal.as_str()), "{json}");
            assert_eq!(serde_json::from_str::<Signals>(&json).unwrap(), set);
        }
        let all: Signals = Signal::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), 7);
        assert!(all.without(all).is_empty());
    }
}
