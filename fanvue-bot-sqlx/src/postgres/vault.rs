//! The vault: secrets sealed by core's keyring, in the same database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::entropy::{Entropy, OsEntropy};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{Keyring, Secret, SecretId, SecretVault, VaultError};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresBackend;
use super::fault::Fault;
use super::sql::{Columns, Values};
use super::store::revision;
use crate::row::CorruptField;
use crate::sealed::{kind_column, owner_column, sealed_error, secret_id};

const GET: &str = "SELECT revision, sealed FROM fanvue_bot.secret($1, $2)";
const PUT: &str = "SELECT fanvue_bot.put_secret($1, $2, $3, $4)";
const DELETE: &str = "SELECT fanvue_bot.delete_secret($1, $2, $3)";
const AFTER: &str =
    "SELECT creator_id, kind, revision, sealed FROM fanvue_bot.secrets_after($1, $2, 100)";

/// A [`SecretVault`] in the database of a [`PostgresBackend`]. Secrets are sealed before they reach a statement
/// and opened after they left one, so the database, its log and its backups hold none in clear.
#[derive(Clone)]
pub struct PostgresVault {
    backend: PostgresBackend,
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl PostgresVault {
    /// A vault that seals with `keyring` and the system's randomness.
    #[must_use]
    pub fn new(backend: PostgresBackend, keyring: Keyring) -> Self {
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

    /// Brings every secret that is sealed under an older master key under the keyring's primary one; answers with
    /// how many. After that the older key can be left out of the keyring.
    ///
    /// Safe to run while others read and write, and to run again after it was interrupted. The secrets' revisions
    /// grow by it.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if one does not open under any key at hand; those before it are done.
    pub async fn rewrap(&self) -> Result<usize, VaultError> {
        let mut done = 0;
        let mut place: (Option<Uuid>, Option<String>) = (None, None);
        loop {
            let values = Values::default().add(place.0)?.add(place.1.take())?;
            let rows = self.backend.database().call(AFTER, values).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            let columns = Columns::new(last, "secrets");
            place = (
                columns.get(0, "creator_id").map_err(Fault::from)?,
                columns.get(1, "kind").map_err(Fault::from)?,
            );
            for row in &rows {
                done += usize::from(self.rewrap_row(row).await?);
            }
        }
    }

    async fn rewrap_row(&self, row: &PgRow) -> Result<bool, VaultError> {
        let (id, stored) = stored(row).map_err(Fault::from)?;
        if !self.keyring.needs_rewrap(&stored.value) {
            return Ok(false);
        }
        let sealed = self
            .keyring
            .rewrap(&id, &stored.value, &*self.entropy)
            .map_err(sealed_error)?;
        match self.put_sealed(&id, sealed, Some(stored.revision)).await {
            Ok(_) => Ok(true),
            // Written or removed meanwhile: whoever did that used the primary key.
            Err(VaultError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_sealed(
        &self,
        id: &SecretId,
        sealed: Vec<u8>,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        let values = key(id)?.add(sealed)?.add(expected.map(stored_revision))?;
        let rows = self.backend.database().call(PUT, values).await?;
        let revision: Option<i64> = match rows.first() {
            Some(row) => Columns::new(row, "secrets")
                .get(0, "revision")
                .map_err(Fault::from)?,
            None => None,
        };
        revision
            .and_then(|revision| u64::try_from(revision).ok())
            .map(Revision::new)
            .ok_or(VaultError::Conflict)
    }
}

#[async_trait]
impl SecretVault for PostgresVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        let rows = self.backend.database().call(GET, key(id)?).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "secrets");
        let revision = revision(columns, 0).map_err(Fault::from)?;
        let sealed: &[u8] = columns.get(1, "sealed").map_err(Fault::from)?;
        let secret = self.keyring.open(id, sealed).map_err(sealed_error)?;
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
        self.put_sealed(id, sealed, expected).await
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        let values = key(id)?.add(stored_revision(expected))?;
        let rows = self.backend.database().call(DELETE, values).await?;
        let found: bool = match rows.first() {
            Some(row) => Columns::new(row, "secrets")
                .get(0, "revision")
                .map_err(Fault::from)?,
            None => false,
        };
        if found {
            Ok(())
        } else {
            Err(VaultError::Conflict)
        }
    }
}

impl fmt::Debug for PostgresVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresVault")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// A revision as a column holds it; one that none holds was never given.
fn stored_revision(revision: Revision) -> i64 {
    i64::try_from(revision.number()).unwrap_or(-1)
}

/// Whose secret it is, nobody's for the deployment, and which.
fn key(id: &SecretId) -> Result<Values, Fault> {
    Values::default()
        .add(owner_column(id))?
        .add(kind_column(id).into_owned())
}

/// A row of all columns.
fn stored(row: &PgRow) -> Result<(SecretId, Versioned<Vec<u8>>), CorruptField> {
    let columns = Columns::new(row, "secrets");
    let id = secret_id(columns.get(0, "creator_id")?, columns.get(1, "kind")?)
        .ok_or_else(|| columns.corrupt("kind", "a kind of secret known to this version"))?;
    let revision = revision(columns, 2)?;
    Ok((id, Versioned::new(columns.get(3, "sealed")?, revision)))
}
