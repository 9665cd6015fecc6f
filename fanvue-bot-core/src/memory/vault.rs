//! A vault in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::revision::{Revision, Versioned};
use crate::secret::{Secret, SecretId, SecretVault, VaultError};

/// A [`SecretVault`] in memory. Nothing is at rest, so nothing is sealed: it takes no keyring.
#[derive(Default)]
pub struct MemoryVault {
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    secrets: BTreeMap<SecretId, Versioned<Secret>>,
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

#[async_trait]
impl SecretVault for MemoryVault {
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
        Ok(lock(&self.shelf).secrets.get(id).cloned())
    }

    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError> {
        let mut shelf = lock(&self.shelf);
        if shelf.secrets.get(id).map(|stored| stored.revision) != expected {
            return Err(VaultError::Conflict);
        }
        shelf.revision += 1;
        let revision = Revision::new(shelf.revision);
        shelf
            .secrets
            .insert(*id, Versioned::new(secret.clone(), revision));
        Ok(revision)
    }

    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
        let mut shelf = lock(&self.shelf);
        if shelf.secrets.get(id).map(|stored| stored.revision) != Some(expected) {
            return Err(VaultError::Conflict);
        }
        shelf.secrets.remove(id);
        Ok(())
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").finish_non_exhaustive()
    }
}
