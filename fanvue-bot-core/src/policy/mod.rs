//! The policy layer: what holds under every persona and cannot be lifted by one, in code.
//!
//! ```text
//!   a fan's words ──► Detector ──► Signals ──► flow: opt out, stop, alert, no sale, tell the prompt
//!   a model's text ──► DraftCheck ──► Violation ──► prompt::check: written anew once, then not sent
//! ```
//!
//! The instructions ask the model for the same; that a model complies is hoped for, that a rule here holds
//! is tested. [`Phrases`] and [`PhraseCheck`] come with the library: pure, at once, the same for the same
//! text, in English and German. They read words and not minds: they know what people commonly write, and
//! miss what nobody thought of.
//!
//! ```
//! use fanvue_bot_core::policy::{Detector, Phrases, Signal};
//!
//! let signals = Phrases::all().signals("r u a b0t??");
//! assert!(signals.contains(Signal::BotQuestion));
//! assert!(Phrases::all().signals("I stopped smoking").is_empty());
//! ```
//!
//! # What counts as sincere
//!
//! Every question or doubt whether a person writes, also one with a laugh behind it: who wonders often
//! softens it so, and an honest answer to a joke costs nothing, while a lie to an earnest question does.
//! Not sincere is what does not ask that at all: praise ("you're a machine"), talk of robots, the fan's word
//! on themselves, questions about others.

mod detector;
mod draft;
#[cfg(test)]
mod fixtures;
mod pattern;
mod phrases;
mod place;
mod signal;
mod words;

pub use self::detector::{Detector, Phrases};
pub use self::draft::{DraftCheck, PhraseCheck, Violation};
pub(crate) use self::place::place;
pub use self::signal::{Signal, Signals};
