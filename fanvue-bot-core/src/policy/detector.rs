//! Reading a fan's words for signals.

use std::fmt;
use std::sync::LazyLock;

use super::pattern::Compiled;
use super::phrases;
use super::signal::{Signal, Signals};
use super::words::Words;

/// Tells what a fan's words are a sign of.
///
/// Called for each message when it is stored, within the webhook's answer: at once, without I/O, and the
/// same for the same text. It cannot fail, so that no message waits for it. What takes a model belongs
/// before the reply and not here.
pub trait Detector: fmt::Debug + Send + Sync + 'static {
    /// The signals in `text`, which is one message as the fan wrote it.
    fn signals(&self, text: &str) -> Signals;
}

/// The library's own detector: phrases in English and German, in any case, with the usual disguises
/// (`b0t`, `b o t`, look-alike letters, zero-width characters) and chat spellings taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phrases {
    looked_for: Signals,
}

impl Phrases {
    /// Looking for every signal.
    #[must_use]
    pub fn all() -> Self {
        Self::only(Signal::ALL.into_iter().collect())
    }

    /// Looking for these signals alone: where another detector does the rest.
    #[must_use]
    pub const fn only(signals: Signals) -> Self {
        Self {
            looked_for: signals,
        }
    }
}

impl Default for Phrases {
    fn default() -> Self {
        Self::all()
    }
}

impl Detector for Phrases {
    fn signals(&self, text: &str) -> Signals {
        let words = Words::of(text);
        self.looked_for
            .iter()
            .filter(|signal| {
                RULES
                    .iter()
                    .any(|(of, rule)| of == signal && rule.is_in(&words))
            })
            .collect()
    }
}

static RULES: LazyLock<[(Signal, Compiled); Signal::ALL.len()]> = LazyLock::new(|| {
    Signal::ALL.map(|signal| {
        let rules = phrases::ALL.iter().map(|language| match signal {
            Signal::BotQuestion => language.bot_question,
            Signal::Minor => language.minor,
            Signal::Crisis => language.crisis,
            Signal::OptOut => language.opt_out,
            Signal::Resume => language.resume,
            Signal::Farewell => language.farewell,
            Signal::Upset => language.upset,
        });
        (signal, Compiled::new(rules))
    })
});
