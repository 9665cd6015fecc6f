//! What is known of a fan from a chat or an event.

use std::fmt;
use std::sync::Arc;

use crate::entropy::Seed;
use crate::id::FanId;

/// A fan as Fanvue shows them. Never the email address, which some events carry.
///
/// `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FanProfile {
    /// Who.
    pub id: FanId,
    /// The name in their address.
    pub handle: Option<Arc<str>>,
    /// The name they show.
    pub display_name: Option<Arc<str>>,
    /// The name that the creator gave them.
    pub nickname: Option<Arc<str>>,
}

impl FanProfile {
    /// A fan of whom only the id is known.
    #[must_use]
    pub const fn new(id: FanId) -> Self {
        Self {
            id,
            handle: None,
            display_name: None,
            nickname: None,
        }
    }

    /// Takes over what `newer` knows; what it does not know stays. The id stays too.
    pub fn merge(&mut self, newer: &Self) {
        for (known, newer) in [
            (&mut self.handle, &newer.handle),
            (&mut self.display_name, &newer.display_name),
            (&mut self.nickname, &newer.nickname),
        ] {
            if newer.is_some() {
                known.clone_from(newer);
            }
        }
    }
}

impl FanProfile {
    /// What the fan goes by: the creator's name for them, else the one they show.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let names = [&self.nickname, &self.display_name];
        names
            .into_iter()
            .flatten()
            .map(|name| name.trim())
            .find(|name| !name.is_empty())
    }

    /// Changes with the names; 0 if none is known.
    pub(crate) fn fingerprint(&self) -> u64 {
        let names = [&self.handle, &self.display_name, &self.nickname];
        if names.iter().all(|name| name.is_none()) {
            return 0;
        }
        let mut seed = Seed::new(1);
        for name in names {
            seed = seed.derive(name.as_deref().unwrap_or("\0"));
        }
        seed.value()
    }
}

impl fmt::Debug for FanProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanProfile")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
