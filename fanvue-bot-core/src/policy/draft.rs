//! Reading a model's text for what must not go out.

mod address;
mod digits;

use std::fmt;
use std::sync::LazyLock;

use super::pattern::Compiled;
use super::phrases;
use super::words::Words;
use crate::redact::is_invisible;

/// What must not go out. Displays as words for the model and for operators, without the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A link, an address, a phone number, a handle, or the way to another messenger.
    #[error("it had a link, an address, a phone number or another messenger in it")]
    ContactDetails,
    /// A way to pay outside Fanvue.
    #[error("it had a way to pay outside Fanvue in it")]
    OutsidePayment,
    /// A promise to meet, or an invitation.
    #[error("it promised to meet or invited to it")]
    Meeting,
    /// It denies that a bot or an AI writes, or claims that a person does.
    #[error("it claimed that no bot or AI writes here")]
    Denial,
    /// What a check of the integrator's own found, in words for the model: what it had in it, or did.
    #[error("{0}")]
    Other(&'static str),
}

/// Tells whether a model's text may go out.
///
/// Called for each draft, at once, without I/O, and the same for the same text.
pub trait DraftCheck: fmt::Debug + Send + Sync + 'static {
    /// The first thing that forbids it, if anything does.
    fn violation(&self, draft: &str) -> Option<Violation>;
}

/// The library's own check: phrases in English and German, addresses, handles and numbers, also spelled out
/// and disguised.
///
/// That a messenger is named is no violation where the sentence says no to it, which is the right answer to
/// a fan who asks. A claim to be human is one whether the fan asked or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PhraseCheck;

impl DraftCheck for PhraseCheck {
    fn violation(&self, draft: &str) -> Option<Violation> {
        let visible: String = draft.chars().filter(|c| !is_invisible(*c)).collect();
        let lower = visible.to_lowercase();
        if digits::has_iban(&lower) {
            return Some(Violation::OutsidePayment);
        }
        let words = Words::of(draft);
        if address::has_address(&lower) || digits::has_phone_number(&lower) {
            return Some(Violation::ContactDetails);
        }
        RULES
            .iter()
            .find(|(_, rule)| rule.is_in(&words))
            .map(|(violation, _)| *violation)
    }
}

static RULES: LazyLock<[(Violation, Compiled); 4]> = LazyLock::new(|| {
    let languages = phrases::ALL.iter();
    [
        (
            Violation::ContactDetails,
            Compiled::new(languages.clone().map(|language| language.contact)),
        ),
        (
            Violation::OutsidePayment,
            Compiled::new(languages.clone().map(|language| language.payment)),
        ),
        (
            Violation::Meeting,
            Compiled::new(languages.clone().map(|language| language.meeting)),
        ),
        (
            Violation::Denial,
            Compiled::new(languages.map(|language| language.denial)),
        ),
    ]
});
