//! The vault: secrets sealed by core's keyring, in the same database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fanvue_bot_core::entropy::{Entropy, OsEntropy};
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::secret::{
    KeyId, Keyring, Rewrap, Rewrapped, SealedUnder, Secret, SecretId, SecretVault, VaultError,
};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Type};

use super::PostgresBackend;
use super::fault::Fault;
use super::sql::{Columns, Values};
use super::store::{MOST_ITEMS, revision};
use crate::cursor::SecretCursor;
use crate::page::one_more_than;
use crate::row::CorruptField;
use crate::sealed::{kind_column, owner_column, page_of_sealed};

const GET: &str = "SELECT revision, sealed FROM fanvue_bot.secret($1, $2)";
const PUT: &str = "SELECT fanvue_bot.put_secret($1, $2, $3, $4)";
const DELETE: &str = "SELECT fanvue_bot.delete_secret($1, $2, $3)";
const REWRAP: &str = "SELECT fanvue_bot.rewrap_secret($1, $2, $3, $4)";
const UNDER_OTHER_KEYS: &str = "\
    SELECT creator_id, kind, header FROM fanvue_bot.secrets_under_other_keys($1, $2, $3, $4)";
const COUNT: &str = "SELECT fanvue_bot.count_secrets_under_other_keys($1)";

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

    /// The stored value, still sealed.
    async fn sealed(&self, id: &SecretId) -> Result<Option<Versioned<Vec<u8>>>, VaultError> {
        let rows = self.backend.database().call(GET, key(id)?).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let columns = Columns::new(row, "secrets");
        let revision = revision(columns, 0).map_err(Fault::from)?;
        let sealed = columns.get(1, "sealed").map_err(Fault::from)?;
        Ok(Some(Versioned::new(sealed, revision)))
    }

    /// The one value that a function answers with.
    async fn one<T>(
        &self,
        sql: &'static str,
        values: Values,
        name: &'static str,
    ) -> Result<T, VaultError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Default,
    {
        let rows = self.backend.database().call(sql, values).await?;
        match rows.first() {
            Some(row) => Ok(Columns::new(row, "secrets")
                .get(0, name)
                .map_err(Fault::from)?),
            None => Ok(T::default()),
        }
    }
}

#[async_trait]
impl SecretVault for PostgresVault {
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
        let values = key(id)?.add(sealed)?.add(expected.map(stored_revision))?;
        let revision: Option<i64> = self.one(PUT, values, "revision").await?;
        revision
            .and_then(|revision| u64::try_from(revision).ok())
            .map(Revision::new)
            .ok_or(VaultError::Conflict)
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        let values = key(id)?.add(stored_revision(expected))?;
        match self.one(DELETE, values, "revision").await? {
            true => Ok(()),
            false => Err(VaultError::Conflict),
        }
    }
}

#[async_trait]
impl Rewrap for PostgresVault {
    fn primary_key(&self) -> KeyId {
        self.keyring.primary()
    }

    async fn count_under_other_keys(&self) -> Result<u64, VaultError> {
        let values = Values::default().add(self.keyring.sealed_header())?;
        let count: i64 = self.one(COUNT, values, "count").await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn under_other_keys(&self, page: &PageRequest) -> Result<Page<SealedUnder>, VaultError> {
        let after = match &page.after {
            Some(cursor) => Some(SecretCursor::decode(cursor)?),
            None => None,
        };
        let limit = page.limit.min(MOST_ITEMS);
        let values = Values::default()
            .add(self.keyring.sealed_header())?
            .add(after.as_ref().and_then(|after| after.owner))?
            .add(after.map(|after| after.kind))?
            .add(one_more_than(limit))?;
        let rows = self
            .backend
            .database()
            .call(UNDER_OTHER_KEYS, values)
            .await?;
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
        let values = key(id)?
            .add(sealed)?
            .add(stored_revision(stored.revision))?;
        Ok(match self.one(REWRAP, values, "revision").await? {
            true => Rewrapped::Done,
            false => Rewrapped::NotNeeded,
        })
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

/// A row of the list: whose, which, and what it begins with.
fn under(row: &PgRow) -> Result<(SecretCursor, Vec<u8>), CorruptField> {
    let columns = Columns::new(row, "secrets");
    let cursor = SecretCursor {
        owner: columns.get(0, "creator_id")?,
        kind: columns.get(1, "kind")?,
    };
    Ok((cursor, columns.get(2, "sealed")?))
}
