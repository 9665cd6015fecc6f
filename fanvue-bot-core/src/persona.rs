//! Who the bot speaks as: data, written by the operator, never code.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::{DraftCheck as _, PhraseCheck, Violation};
use crate::redact::Length;

/// One version of a creator's persona.
///
/// The prompt renders it to the same bytes for every fan, so that model providers can cache it.
///
/// `Debug` shows the version and how much there is of the rest: names, biographies and exchanges with fans
/// are nothing for a log.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Persona {
    /// Counts the published versions.
    pub version: u32,
    /// The name the creator goes by.
    pub name: String,
    /// Who they are: facts the model may tell.
    pub biography: String,
    /// How they write: length, warmth, punctuation, emoji.
    pub voice: String,
    /// Real exchanges, one for each kind of situation. They shape the voice better than adjectives.
    pub examples: Vec<Example>,
    /// What to do, one line each.
    pub dos: Vec<String>,
    /// What not to do, one line each.
    pub donts: Vec<String>,
    /// What to talk about gladly, one line each.
    pub topics: Vec<String>,
    /// The language to write in, as a BCP 47 tag; `None` for the fan's.
    pub language: Option<String>,
    /// The creator's IANA time zone, such as `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// What a fan is told who asks whether a bot or an AI writes, in any language: the model tells it in the fan's.
    /// `None` leaves the words to the model, which may not deny it either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot_answer: Option<String>,
    /// Guidance by the fan's stage (`new`, `warm`, `regular`, `supporter`, `vip`).
    pub stages: BTreeMap<String, String>,
}

impl Persona {
    /// A persona of whom only the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            version: 1,
            name: name.into(),
            ..Self::default()
        }
    }

    /// With this biography.
    #[must_use]
    pub fn biography(mut self, text: impl Into<String>) -> Self {
        self.biography = text.into();
        self
    }

    /// With this voice.
    #[must_use]
    pub fn voice(mut self, text: impl Into<String>) -> Self {
        self.voice = text.into();
        self
    }

    /// Telling a fan this who asks whether a bot or an AI writes.
    #[must_use]
    pub fn bot_answer(mut self, text: impl Into<String>) -> Self {
        self.bot_answer = Some(text.into());
        self
    }

    /// What of [`bot_answer`](Self::bot_answer) no reply may have in it, such as a denial: with it, nobody who asks
    /// would be answered.
    #[must_use]
    pub fn forbidden_answer(&self) -> Option<Violation> {
        PhraseCheck.violation(self.bot_answer.as_deref()?)
    }

    /// With one more example exchange.
    #[must_use]
    pub fn example(mut self, fan: impl Into<String>, reply: impl Into<String>) -> Self {
        self.examples.push(Example {
            fan: fan.into(),
            reply: reply.into(),
        });
        self
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona")
            .field("version", &self.version)
            .field("biography", &Length(&self.biography))
            .field("voice", &Length(&self.voice))
            .field("examples", &self.examples.len())
            .field("dos", &self.dos.len())
            .field("donts", &self.donts.len())
            .field("topics", &self.topics.len())
            .field("language", &self.language)
            .field("time_zone", &self.time_zone)
            .field("bot_answer", &self.bot_answer.as_deref().map(Length))
            .field("stages", &self.stages.len())
            .finish_non_exhaustive()
    }
}

/// One real exchange of the creator with a fan. `Debug` shows lengths and not words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an exchange is exactly this pair"
)]
pub struct Example {
    /// What the fan wrote.
    pub fan: String,
    /// What the creator answered.
    pub reply: String,
}

impl fmt::Debug for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Example")
            .field("fan", &Length(&self.fan))
            .field("reply", &Length(&self.reply))
            .finish()
    }
}
