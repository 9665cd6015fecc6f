//! The vault: secrets sealed by core's keyring, in the same file.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::entropy::{Entropy, OsEntropy};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{Keyring, Secret, SecretId, SecretVault, VaultError};
use sqlx::sqlite::SqliteRow;

use super::SqliteBackend;
use super::fault::Fault;
use super::sql::{Columns, Values, fetch};
use super::write::{Call, DeletingSecret, Op, PuttingSecret};
use crate::row::CorruptField;
use crate::sealed::{kind_column, owner_column, sealed_error, secret_id};

const GET: &str = "SELECT revision, sealed FROM secrets WHERE creator_id = ?1 AND kind = ?2";

/// Crosses tenants: a change of the master key concerns all secrets. Nothing is opened by it.
const AFTER: &str = "\
    SELECT creator_id, kind, revision, sealed FROM secrets \
    WHERE (creator_id, kind) > (?1, ?2) ORDER BY creator_id, kind LIMIT 100";

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

    /// Brings every secret that is sealed under an older master key under the keyring's primary one;
    /// answers with how many. After that the older key can be left out of the keyring.
    ///
    /// Safe to run while others read and write, and to run again after it was interrupted. The secrets'
    /// revisions grow by it.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if one does not open under any key at hand; those before it are done.
    pub async fn rewrap(&self) -> Result<usize, VaultError> {
        let mut done = 0;
        let mut place = (Vec::new(), String::new());
        loop {
            let values = Values::default()
                .bytes(place.0.clone())?
                .text(place.1.clone())?;
            let rows = fetch(self.backend.readers(), AFTER, values).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            let columns = Columns::new(last, "secrets");
            place = (
                columns.bytes(0, "creator_id").map_err(Fault::from)?,
                columns.text(1, "kind").map_err(Fault::from)?,
            );
            for row in &rows {
                done += usize::from(self.rewrap_row(row).await?);
            }
        }
    }

    async fn rewrap_row(&self, row: &SqliteRow) -> Result<bool, VaultError> {
        let (id, stored) = stored(row).map_err(Fault::from)?;
        if !self.keyring.needs_rewrap(&stored.value) {
            return Ok(false);
        }
        let sealed = self
            .keyring
            .rewrap(&id, &stored.value, &*self.entropy)
            .map_err(sealed_error)?;
        match self.put_sealed(id, sealed, Some(stored.revision)).await {
            Ok(_) => Ok(true),
            // Written or removed meanwhile: whoever did that used the primary key.
            Err(VaultError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_sealed(
        &self,
        id: SecretId,
        sealed: Vec<u8>,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        let args = PuttingSecret {
            id,
            sealed,
            expected,
        };
        Call::make(self.backend.inbox(), args, Op::PutSecret).await
    }
}

#[async_trait]
impl SecretVault for SqliteVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        let values = Values::default().bytes(owner(id))?.text(kind_column(id))?;
        let rows = fetch(self.backend.readers(), GET, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "secrets");
        let revision = revision(columns, 0).map_err(Fault::from)?;
        let sealed = columns.bytes(1, "sealed").map_err(Fault::from)?;
        let secret = self.keyring.open(id, &sealed).map_err(sealed_error)?;
        Ok(Some(Versioned::new(secret, revision)))
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
            .map_err(sealed_error)?;
        self.put_sealed(*id, sealed, expected).await
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        let args = DeletingSecret { id: *id, expected };
        Call::make(self.backend.inbox(), args, Op::DeleteSecret).await
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

/// A row of all columns.
fn stored(row: &SqliteRow) -> Result<(SecretId, Versioned<Vec<u8>>), CorruptField> {
    let columns = Columns::new(row, "secrets");
    let owner = if columns.bytes(0, "creator_id")?.is_empty() {
        None
    } else {
        Some(columns.id(0, "creator_id")?)
    };
    let id = secret_id(owner, &columns.text(1, "kind")?)
        .ok_or_else(|| columns.corrupt("kind", "a kind of secret known to this version"))?;
    let sealed = columns.bytes(3, "sealed")?;
    Ok((id, Versioned::new(sealed, revision(columns, 2)?)))
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[GET, AFTER];
