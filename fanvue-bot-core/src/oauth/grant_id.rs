//! Whose grant it is.

use std::fmt;
use std::str::FromStr;

use crate::id::{AgencyId, CreatorId, ParseIdError};
use crate::secret::{SecretId, SecretKind, SecretOwner};

/// Whose grant it is: tokens belong to grants, and a grant to whoever gave it.
///
/// Written as the creator's id, or as `agency/` and the agency's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Fanvue knows exactly these two kinds of grant"
)]
pub enum GrantId {
    /// One creator's, for their own account.
    Creator(CreatorId),
    /// An agency's, for every creator that it manages.
    Agency(AgencyId),
}

impl GrantId {
    /// Whose secrets go with the grant.
    #[must_use]
    pub const fn owner(self) -> SecretOwner {
        match self {
            Self::Creator(creator) => SecretOwner::Creator(creator),
            Self::Agency(agency) => SecretOwner::Agency(agency),
        }
    }

    pub(super) const fn secret(self, kind: SecretKind) -> SecretId {
        SecretId {
            owner: self.owner(),
            kind,
        }
    }
}

impl From<CreatorId> for GrantId {
    fn from(creator: CreatorId) -> Self {
        Self::Creator(creator)
    }
}

impl From<AgencyId> for GrantId {
    fn from(agency: AgencyId) -> Self {
        Self::Agency(agency)
    }
}

const AGENCY: &str = "agency/";

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Creator(creator) => creator.fmt(f),
            Self::Agency(agency) => write!(f, "{AGENCY}{agency}"),
        }
    }
}

impl FromStr for GrantId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(AGENCY) {
            Some(agency) => agency.parse().map(Self::Agency),
            None => text.parse().map(Self::Creator),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let id = Uuid::from_u128(7);
        for grant in [
            GrantId::Creator(CreatorId::from_uuid(id)),
            GrantId::Agency(AgencyId::from_uuid(id)),
        ] {
            assert_eq!(grant.to_string().parse(), Ok(grant));
        }
        assert!("agency/".parse::<GrantId>().is_err());
        assert!("agency".parse::<GrantId>().is_err());
    }
}
