//! A tenant: one creator, how the bot behaves for them, and who it speaks as.

use serde::{Deserialize, Serialize};

use crate::client::Reach;
use crate::id::{AccountId, AgencyId, CreatorId};
use crate::oauth::GrantId;
use crate::persona::Persona;
use crate::settings::{Overrides, Settings};

/// A creator whose fans are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Creator {
    /// Our id.
    pub id: CreatorId,
    /// Their Fanvue account, once connected. At most one creator of a deployment has a given account.
    pub account: Option<AccountId>,
    /// The agency whose grant reaches their chats; `None` for a grant of their own.
    pub agency: Option<AgencyId>,
    /// Whether they take part at all.
    pub status: CreatorStatus,
    /// How the bot behaves.
    pub settings: Settings,
    /// Who the bot speaks as.
    pub persona: Persona,
}

impl Creator {
    /// An active creator with default settings: in [`Mode::Draft`](crate::settings::Mode::Draft), not connected.
    #[must_use]
    pub fn new(id: CreatorId, persona: Persona) -> Self {
        Self {
            id,
            account: None,
            agency: None,
            status: CreatorStatus::Active,
            settings: Settings::default(),
            persona,
        }
    }

    /// Connected to this Fanvue account.
    #[must_use]
    pub const fn account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// Reached by the grant of this agency.
    #[must_use]
    pub const fn agency(mut self, agency: AgencyId) -> Self {
        self.agency = Some(agency);
        self
    }

    /// The grant by which their chats are reached.
    #[must_use]
    pub const fn grant(&self) -> GrantId {
        match self.agency {
            Some(agency) => GrantId::Agency(agency),
            None => GrantId::Creator(self.id),
        }
    }

    /// How a token of that grant reaches their chats; `None` for an agency's creator whose account is not
    /// known.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        match self.agency {
            Some(_) => self.account.map(Reach::Agency),
            None => Some(Reach::Own),
        }
    }

    /// Whether the fan of these overrides sees the typing signal: never for an account that an agency runs, which must not feign
    /// the creator's presence.
    ///
    /// Source: Fanvue API reference, section 11 (Agency Conduct and Compliance).
    #[must_use]
    pub fn shows_typing(&self, overrides: &Overrides) -> bool {
        self.settings.with(overrides).typing_signal && self.agency.is_none()
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

/// Whether a creator takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CreatorStatus {
    /// Messages are stored and answered.
    #[default]
    Active,
    /// Messages are stored and not answered.
    Inactive,
}
