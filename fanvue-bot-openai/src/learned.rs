//! What a server showed about itself: per model, remembered for as long as the adapter lives.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::profile::{Profile, SystemRole, Temperature, TokenField};

/// Models to remember; a deployment uses a handful. Others fall back to the profile.
const MODELS: usize = 64;
/// Context sizes outside this are a misread number and not a fact.
const PLAUSIBLE: std::ops::RangeInclusive<u32> = 256..=100_000_000;

/// How one model wants its parameters, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quirks {
    pub(crate) token_field: TokenField,
    pub(crate) temperature: Temperature,
    pub(crate) system_role: SystemRole,
    pub(crate) no_seed: bool,
    pub(crate) context_tokens: Option<u32>,
}

impl Quirks {
    /// Nothing learned yet.
    pub(crate) const fn of(profile: &Profile) -> Self {
        Self {
            token_field: profile.token_field,
            temperature: profile.temperature,
            system_role: profile.system_role,
            no_seed: false,
            context_tokens: None,
        }
    }

    /// Takes over the change that a server asked for.
    pub(crate) const fn apply(&mut self, fix: Fix) {
        match fix {
            Fix::TokenField(field) => self.token_field = field,
            Fix::OmitTemperature => self.temperature = Temperature::Omitted,
            Fix::OmitSeed => self.no_seed = true,
            Fix::SystemRole(role) => self.system_role = role,
        }
    }
}

/// A change to the request that a server asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fix {
    TokenField(TokenField),
    OmitTemperature,
    OmitSeed,
    SystemRole(SystemRole),
}

impl Fix {
    /// Whether `next` after this one would go in a circle. Roles only ever go down, the others are
    /// never asked for again once done.
    pub(crate) const fn undoes(self, next: Self) -> bool {
        matches!((self, next), (Self::TokenField(_), Self::TokenField(_)))
    }
}

#[derive(Debug)]
pub(crate) struct Learned {
    initial: Quirks,
    models: RwLock<BTreeMap<Arc<str>, Quirks>>,
}

impl Learned {
    pub(crate) const fn new(profile: &Profile) -> Self {
        Self {
            initial: Quirks::of(profile),
            models: RwLock::new(BTreeMap::new()),
        }
    }

    pub(crate) fn quirks(&self, model: &str) -> Quirks {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.get(model).copied().unwrap_or(self.initial)
    }

    pub(crate) fn remember_fix(&self, model: &str, fix: Fix) {
        self.update(model, |quirks| quirks.apply(fix));
    }

    /// Returns whether the size is plausible and news.
    pub(crate) fn remember_context(&self, model: &str, tokens: u32) -> bool {
        PLAUSIBLE.contains(&tokens)
            && self.quirks(model).context_tokens != Some(tokens)
            && self.update(model, |quirks| quirks.context_tokens = Some(tokens))
    }

    fn update(&self, model: &str, change: impl FnOnce(&mut Quirks)) -> bool {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(quirks) = models.get_mut(model) {
            change(quirks);
        } else if models.len() < MODELS {
            let mut quirks = self.initial;
            change(&mut quirks);
            models.insert(model.into(), quirks);
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_model_showed_says_nothing_about_another() {
        let learned = Learned::new(&Profile::openai());
        learned.remember_fix("a", Fix::OmitTemperature);
        assert!(learned.remember_context("a", 4_096));
        assert!(!learned.remember_context("a", 4_096));
        assert_eq!(learned.quirks("a").temperature, Temperature::Omitted);
        assert_eq!(learned.quirks("b"), Quirks::of(&Profile::openai()));
    }

    #[test]
    fn an_absurd_context_size_is_no_fact() {
        let learned = Learned::new(&Profile::openai());
        for tokens in [0, 1, 255, u32::MAX] {
            assert!(!learned.remember_context("a", tokens));
        }
        assert_eq!(learned.quirks("a").context_tokens, None);
    }

    #[test]
    fn memory_is_bounded() {
        let learned = Learned::new(&Profile::openai());
        for model in 0..1_000 {
            learned.remember_fix(&model.to_string(), Fix::OmitSeed);
        }
        assert_eq!(learned.models.read().unwrap().len(), MODELS);
    }
}
