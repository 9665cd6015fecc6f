//! The vault: secrets sealed by core's keyring, in the same file.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::entropy::{Entropy, OsEntropy};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{
    KeyId, Keyring, Rewrap, Rewrapped, SealedUnder, Secret, SecretId, SecretVault, VaultError,
};
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteBackend;
use super::fault::Fault;
use super::sql::{Columns, Values, fetch};
use super::store::MOST_ITEMS;
use super::write::{Call, DeletingSecret, Op, PuttingSecret, RewrappingSecret};
use crate::cursor::SecretCursor;
use crate::page::one_more_than;
use crate::row::CorruptField;
use crate::sealed::{kind_column, owner_column, page_of_sealed};

const GET: &str = "SELECT revision, sealed FROM secrets WHERE creator_id = ?1 AND kind = ?2";

/// Cross tenants: a change of the master key concerns all secrets. Ids and key ids leave the database, and
/// nothing of the values.
const UNDER_OTHER_KEYS: &str = "\
    SELECT creator_id, kind, substr(sealed, 1, 10) FROM secrets \
    WHERE (creator_id, kind) > (?2, ?3) AND substr(sealed, 1, 10) <> ?1 \
    ORDER BY creator_id, kind LIMIT ?4";
/// Reads the table from end to end, once at the beginning of a rotation and once at its end.
const COUNT: &str = "SELECT count(*) FROM secrets WHERE substr(sealed, 1, 10) <> ?1";

/// A [`SecretVault`] in the file of a [`SqliteBackend`]. Secrets are sealed before they reach a statement
/// and opened after they left one, so the file, its log and its backups hold none in clear.
#[derive(Clone)]
pub struct SqliteVault {
    backend: SqliteBackend,
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl SqliteVault {
    /// A vault that seals with `keyring` and the system's randomness.
    #[must_use]
    pub fn new(backend: SqliteBackend, keyring: Keyring) -> Self {
        Self {
            backend,
            keyring: Arc::new(keyring),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// With another source of randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The stored value, still sealed.
    async fn sealed(&self, id: &SecretId) -> Result<Option<Versioned<Vec<u8>>>, VaultError> {
        let values = Values::default().bytes(owner(id))?.text(kind_column(id))?;
        let rows = fetch(self.backend.readers(), GET, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "secrets");
        let revision = revision(columns, 0).map_err(Fault::from)?;
        let sealed = columns.bytes(1, "sealed").map_err(Fault::from)?;
        Ok(Some(Versioned::new(sealed, revision)))
    }
}

#[async_trait]
impl SecretVault for SqliteVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        let Some(stored) = self.sealed(id).await? else {
            return Ok(None);
        };
        let secret = self
            .keyring
            .open(id, &stored.value)
            .map_err(|error| VaultError::not_opened(stored.revision, error))?;
        Ok(Some(Versioned::new(secret, stored.revision)))
    }

    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        let sealed = self
            .keyring
            .seal(id, secret, &*self.entropy)
            .map_err(VaultError::unavailable)?;
        let args = PuttingSecret {
            id: *id,
            sealed,
            expected,
        };
        Call::make(self.backend.inbox(), args, Op::PutSecret).await
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        let args = DeletingSecret { id: *id, expected };
        Call::make(self.backend.inbox(), args, Op::DeleteSecret).await
    }
}

#[async_trait]
impl Rewrap for SqliteVault {
    fn primary_key(&self) -> KeyId {
        self.keyring.primary()
    }

    async fn count_under_other_keys(&self) -> Result<u64, VaultError> {
        let values = Values::default().bytes(self.keyring.sealed_header().to_vec())?;
        let rows = fetch(self.backend.readers(), COUNT, values).await?;
        let count = match rows.first() {
            Some(row) => Columns::new(row, "secrets")
                .int(0, "count")
                .map_err(Fault::from)?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn under_other_keys(&self, page: &PageRequest) -> Result<Page<SealedUnder>, VaultError> {
        let (owner, kind) = match &page.after {
            Some(cursor) => {
                let after = SecretCursor::decode(cursor)?;
                (after.owner.map(Uuid::into_bytes), after.kind)
            }
            None => (None, String::new()),
        };
        let limit = page.limit.min(MOST_ITEMS);
        let values = Values::default()
            .bytes(self.keyring.sealed_header().to_vec())?
            .bytes(owner.map(Vec::from).unwrap_or_default())?
            .text(kind)?
            .int(one_more_than(limit))?;
        let rows = fetch(self.backend.readers(), UNDER_OTHER_KEYS, values).await?;
        let rows = rows
            .iter()
            .map(|row| Ok(under(row)?))
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok(page_of_sealed(rows, limit, page))
    }

    async fn rewrap(&self, id: &SecretId) -> Result<Rewrapped, VaultError> {
        let Some(stored) = self.sealed(id).await? else {
            return Ok(Rewrapped::NotNeeded);
        };
        if stored.value.starts_with(&self.keyring.sealed_header()) {
            return Ok(Rewrapped::NotNeeded);
        }
        let sealed = self
            .keyring
            .rewrap(id, &stored.value, &*self.entropy)
            .map_err(|error| VaultError::not_opened(stored.revision, error))?;
        let args = RewrappingSecret {
            id: *id,
            sealed,
            expected: stored.revision,
        };
        Call::make(self.backend.inbox(), args, Op::RewrapSecret).await
    }
}

impl fmt::Debug for SqliteVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteVault")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// Whose secret it is, as a column: nothing for the deployment.
pub(super) fn owner(id: &SecretId) -> Vec<u8> {
    owner_column(id).map_or(Vec::new(), |owner| owner.into_bytes().to_vec())
}

fn revision(columns: Columns<'_>, index: usize) -> Result<Revision, CorruptField> {
    u64::try_from(columns.int(index, "revision")?)
        .map(Revision::new)
        .map_err(|_| columns.corrupt("revision", "a revision"))
}

/// A row of the list: whose, which, and what it begins with.
fn under(row: &SqliteRow) -> Result<(SecretCursor, Vec<u8>), CorruptField> {
    let columns = Columns::new(row, "secrets");
    let owner = match columns.bytes(0, "creator_id")?.is_empty() {
        true => None,
        false => Some(columns.id(0, "creator_id")?),
    };
    let kind = columns.text(1, "kind")?;
    Ok((SecretCursor { owner, kind }, columns.bytes(2, "sealed")?))
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[GET, UNDER_OTHER_KEYS];
