//! Vaults in memory: one that holds secrets as they are, and one that seals them as a database's does.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::entropy::{Entropy, OsEntropy};
use crate::page::{Cursor, Page, PageRequest};
use crate::revision::{Revision, Versioned};
use crate::secret::{
    KeyId, Keyring, Rewrap, Rewrapped, SealedUnder, Secret, SecretId, SecretKind, SecretOwner,
    SecretVault, VaultError,
};

/// A [`SecretVault`] in memory. Nothing is at rest, so nothing is sealed: it takes no keyring.
#[derive(Default)]
pub struct MemoryVault {
    shelf: Mutex<Shelf<Secret>>,
}

/// Values by id, as secrets or sealed.
struct Shelf<T> {
    values: BTreeMap<SecretId, Versioned<T>>,
    /// The last revision given out. One counter for all secrets, so that a secret that is deleted and
    /// put anew never has a revision that it had before.
    revision: u64,
}

impl MemoryVault {
    /// An empty vault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            revision: 0,
        }
    }
}

impl<T> Shelf<T> {
    fn put(
        &mut self,
        id: &SecretId,
        value: T,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        if self.values.get(id).map(|stored| stored.revision) != expected {
            return Err(VaultError::Conflict);
        }
        self.revision += 1;
        let revision = Revision::new(self.revision);
        self.values.insert(*id, Versioned::new(value, revision));
        Ok(revision)
    }

    fn delete(&mut self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        if self.values.get(id).map(|stored| stored.revision) != Some(expected) {
            return Err(VaultError::Conflict);
        }
        self.values.remove(id);
        Ok(())
    }
}

#[async_trait]
impl SecretVault for MemoryVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        Ok(lock(&self.shelf).values.get(id).cloned())
    }

    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        lock(&self.shelf).put(id, secret.clone(), expected)
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        lock(&self.shelf).delete(id, expected)
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").finish_non_exhaustive()
    }
}

/// A [`SecretVault`] in memory that seals with a [`Keyring`], and so has what a change of the master key needs:
/// for tests, and as the shortest form of a vault that persists.
#[derive(Clone)]
pub struct SealedMemoryVault {
    shelf: Arc<Mutex<Shelf<Vec<u8>>>>,
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl SealedMemoryVault {
    /// An empty vault that seals with `keyring` and the system's randomness.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self {
            shelf: Arc::default(),
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

    /// The same secrets with other keys, as another process would open them.
    #[must_use]
    pub fn reopen(&self, keyring: Keyring) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
            keyring: Arc::new(keyring),
            entropy: Arc::clone(&self.entropy),
        }
    }

    fn is_under_another_key(&self, sealed: &[u8]) -> bool {
        !sealed.starts_with(&self.keyring.sealed_header())
    }
}

#[async_trait]
impl SecretVault for SealedMemoryVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        let Some(stored) = lock(&self.shelf).values.get(id).cloned() else {
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
        lock(&self.shelf).put(id, sealed, expected)
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        lock(&self.shelf).delete(id, expected)
    }
}

#[async_trait]
impl Rewrap for SealedMemoryVault {
    fn primary_key(&self) -> KeyId {
        self.keyring.primary()
    }

    async fn count_under_other_keys(&self) -> Result<u64, VaultError> {
        let shelf = lock(&self.shelf);
        let others = shelf
            .values
            .values()
            .filter(|stored| self.is_under_another_key(&stored.value));
        Ok(u64::try_from(others.count()).unwrap_or(u64::MAX))
    }

    async fn under_other_keys(&self, page: &PageRequest) -> Result<Page<SealedUnder>, VaultError> {
        let from = match &page.after {
            Some(cursor) => Bound::Excluded(read_cursor(cursor)?),
            None => Bound::Unbounded,
        };
        let shelf = lock(&self.shelf);
        let mut rest = shelf
            .values
            .range((from, Bound::Unbounded))
            .filter(|(_, stored)| self.is_under_another_key(&stored.value))
            .map(|(id, stored)| SealedUnder {
                id: *id,
                key: Keyring::key_id_of(&stored.value).ok(),
            });
        let items: Vec<SealedUnder> = rest.by_ref().take(page.limit).collect();
        let more = rest.next().is_some();
        let next = match items.last() {
            Some(last) => more.then(|| Cursor::new(last.id.to_string())),
            None => page.after.clone().filter(|_| more),
        };
        Ok(Page { items, next })
    }

    async fn rewrap(&self, id: &SecretId) -> Result<Rewrapped, VaultError> {
        // One lock from the read to the write: nobody can put anything between.
        let mut shelf = lock(&self.shelf);
        let Some(stored) = shelf.values.get_mut(id) else {
            return Ok(Rewrapped::NotNeeded);
        };
        if !self.is_under_another_key(&stored.value) {
            return Ok(Rewrapped::NotNeeded);
        }
        stored.value = self
            .keyring
            .rewrap(id, &stored.value, &*self.entropy)
            .map_err(|error| VaultError::not_opened(stored.revision, error))?;
        Ok(Rewrapped::Done)
    }
}

impl fmt::Debug for SealedMemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemoryVault")
            .field("keyring", &self.keyring)
            .finish_non_exhaustive()
    }
}

/// `deployment/kind`, `creator/id/kind` or `agency/id/kind`: the last secret of the page, as it is displayed.
fn read_cursor(cursor: &Cursor) -> Result<SecretId, VaultError> {
    let parse = || {
        let (owner, kind) = cursor.as_str().rsplit_once('/')?;
        let owner = match owner.split_once('/') {
            None => (owner == "deployment").then_some(SecretOwner::Deployment)?,
            Some(("creator", id)) => SecretOwner::Creator(id.parse().ok()?),
            Some(("agency", id)) => SecretOwner::Agency(id.parse().ok()?),
            Some(_) => return None,
        };
        let kind = SecretKind::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == kind)?;
        Some(SecretId { owner, kind })
    };
    parse().ok_or(VaultError::InvalidCursor)
}
