//! What vaults of all back ends say and read alike.

use std::borrow::Cow;

use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::secret::{KeyringError, SecretId, SecretKind, SecretOwner, VaultError};
use uuid::Uuid;

/// What the keyring said, as the port puts it.
pub(crate) fn sealed_error(error: KeyringError) -> VaultError {
    match error {
        // Nothing is wrong with the secret: another try may find randomness.
        KeyringError::Entropy(error) => VaultError::unavailable(error),
        source => VaultError::Sealed { source },
    }
}

/// What goes before the kind of an agency's secret: its row then differs from that of a creator who
/// happens to have the same id.
const AGENCY: &str = "agency/";

/// Whose secret it is, as a column: nobody's for the deployment.
pub(crate) fn owner_column(id: &SecretId) -> Option<Uuid> {
    match id.owner {
        SecretOwner::Deployment => None,
        SecretOwner::Creator(creator) => Some(creator.as_uuid()),
        SecretOwner::Agency(agency) => Some(agency.as_uuid()),
    }
}

/// Which secret of its owner it is, as a column.
pub(crate) fn kind_column(id: &SecretId) -> Cow<'static, str> {
    let kind = id.kind.as_str();
    match id.owner {
        SecretOwner::Agency(_) => format!("{AGENCY}{kind}").into(),
        SecretOwner::Deployment | SecretOwner::Creator(_) => kind.into(),
    }
}

/// The secret whose row has these columns; `None` for a kind that this version does not know.
pub(crate) fn secret_id(owner: Option<Uuid>, kind: &str) -> Option<SecretId> {
    let (kind, is_agency) = match kind.strip_prefix(AGENCY) {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    let kind = SecretKind::ALL
        .iter()
        .copied()
        .find(|known| known.as_str() == kind)?;
    let owner = match owner {
        None => SecretOwner::Deployment,
        Some(id) if is_agency => SecretOwner::Agency(AgencyId::from_uuid(id)),
        Some(id) => SecretOwner::Creator(CreatorId::from_uuid(id)),
    };
    Some(SecretId { owner, kind })
}
