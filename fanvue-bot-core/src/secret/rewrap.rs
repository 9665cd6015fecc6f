//! What a vault that seals can do besides: bring what it holds under another master key.

use std::sync::Arc;

use async_trait::async_trait;

use super::{KeyId, SecretId, SecretVault, VaultError};
use crate::page::{Page, PageRequest};

/// A [`SecretVault`] whose [`Keyring`](super::Keyring) can change. An optional capability: a vault that seals
/// nothing, or leaves that to a service, goes without. [`Rotation`](super::Rotation) drives it.
///
/// A secret keeps its revision when it is rewrapped, since its value stays the same: whoever read it before can
/// replace it after.
#[async_trait]
pub trait Rewrap: SecretVault {
    /// The key that this vault seals with.
    fn primary_key(&self) -> KeyId;

    /// How many secrets of all owners are sealed under another key than the primary one, or are no sealed
    /// secrets.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`] if the vault did not answer.
    async fn count_under_other_keys(&self) -> Result<u64, VaultError>;

    /// Which secrets of all owners are sealed under another key than the primary one, or are no sealed secrets.
    /// Tells ids, never values.
    ///
    /// The order is the adapter's own and stays the same. A secret that is listed is on one page; one that is
    /// rewrapped or put while the list is read may be missing.
    ///
    /// # Errors
    /// [`VaultError::InvalidCursor`] if the page's cursor is from elsewhere.
    async fn under_other_keys(&self, page: &PageRequest) -> Result<Page<SealedUnder>, VaultError>;

    /// Brings one secret under the primary key. Atomic, durable when this returns, and idempotent. A put or a
    /// delete at the same time wins: nothing is written over.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if the stored value does not open under the keys at hand; it stays as it is.
    async fn rewrap(&self, id: &SecretId) -> Result<Rewrapped, VaultError>;
}

/// Under which master key a secret is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct SealedUnder {
    /// Which secret.
    pub id: SecretId,
    /// The key's id; `None` if what is stored is no sealed secret.
    pub key: Option<KeyId>,
}

/// What became of a secret that was to be rewrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it was to be done and is done, or it was not to be done"
)]
pub enum Rewrapped {
    /// It was under another key and is now under the primary one.
    Done,
    /// It was under the primary key already, is gone, or was put anew meanwhile.
    NotNeeded,
}

macro_rules! forward_rewrap {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<V: Rewrap + ?Sized> Rewrap for $($pointer)::+<V> {
            fn primary_key(&self) -> KeyId {
                (**self).primary_key()
            }

            async fn count_under_other_keys(&self) -> Result<u64, VaultError> {
                (**self).count_under_other_keys().await
            }

            async fn under_other_keys(
                &self,
                page: &PageRequest,
            ) -> Result<Page<SealedUnder>, VaultError> {
                (**self).under_other_keys(page).await
            }

            async fn rewrap(&self, id: &SecretId) -> Result<Rewrapped, VaultError> {
                (**self).rewrap(id).await
            }
        }
    };
}
forward_rewrap!(Arc);
forward_rewrap!(Box);
