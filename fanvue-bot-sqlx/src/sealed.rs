//! What vaults of all back ends read alike.

use std::borrow::Cow;

use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::secret::{Keyring, SealedUnder, SecretId, SecretKind, SecretOwner};
use uuid::Uuid;

use crate::cursor::SecretCursor;

/// A page of secrets from rows, of which one more than `limit` was asked for: whose, which, and what the value
/// begins with. A kind that this version does not know is left out; it is counted with the others.
pub(crate) fn page_of_sealed(
    mut rows: Vec<(SecretCursor, Vec<u8>)>,
    limit: usize,
    request: &PageRequest,
) -> Page<SealedUnder> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some((last, _)) => more.then(|| last.encode()),
        None => request.after.clone().filter(|_| more),
    };
    let items = rows
        .iter()
        .filter_map(|(row, header)| {
            let id = secret_id(row.owner, &row.kind)?;
            let key = Keyring::key_id_of(header).ok();
            Some(SealedUnder { id, key })
        })
        .collect();
    Page { items, next }
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
