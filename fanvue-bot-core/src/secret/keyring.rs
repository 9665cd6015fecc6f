//! Seals secrets at rest: one file to audit.
//!
//! Envelope encryption. Each secret is encrypted under a fresh data key, and the data key under a master
//! key, both with XChaCha20-Poly1305 and random 24-byte nonces. The associated data binds the format, the
//! owner, the kind and (for the data key) the master key's id, so a sealed value that is moved to another
//! tenant's row, another kind or another key id does not open. What it cannot do: an older sealed value of
//! the same secret, put back in its own row, opens; that is for the database's access control.
//!
//! ```
//! use fanvue_bot_core::entropy::OsEntropy;
//! use fanvue_bot_core::secret::{Keyring, MasterKey, Secret, SecretId, SecretKind};
//!
//! let entropy = OsEntropy;
//! let keyring = Keyring::new(MasterKey::generate(&entropy)?);
//! let id = SecretId::of_deployment(SecretKind::ClientSecret);
//! let sealed = keyring.seal(&id, &Secret::new("shh"), &entropy)?;
//! assert_eq!(keyring.open(&id, &sealed)?, Secret::new("shh"));
//!
//! let other = SecretId::of_deployment(SecretKind::WebhookSecret);
//! assert!(keyring.open(&other, &sealed).is_err());
//! # Ok::<(), fanvue_bot_core::secret::KeyringError>(())
//! ```

mod envelope;
mod key;

use std::fmt;

use zeroize::Zeroizing;

use self::envelope::Envelope;
pub use self::key::{KeyId, MasterKey};
use super::{Secret, SecretId};
use crate::entropy::{Entropy, EntropyError};

/// The live master keys of a deployment, at most two: one that seals, and one other that opens as well.
///
/// To change the key, give every process the new key as the other one, so that whatever any of them seals
/// opens in all. Then give every process the new key as primary and the old one as the other, bring all
/// stored secrets under it with a [`Rotation`](super::Rotation), and drop the old key.
pub struct Keyring {
    primary: MasterKey,
    other: Option<MasterKey>,
}

/// Builds a [`Keyring`].
#[derive(Debug)]
pub struct KeyringBuilder {
    primary: MasterKey,
    others: Vec<MasterKey>,
}

impl KeyringBuilder {
    /// A second live key, which opens what it sealed and seals nothing: during a change of the key, the next
    /// one or the last one.
    #[must_use]
    pub fn other(mut self, key: MasterKey) -> Self {
        self.others.push(key);
        self
    }

    /// The keyring.
    ///
    /// # Errors
    /// [`KeyringError::SameKey`] when the other key is the primary one, [`KeyringError::TooManyKeys`] when
    /// there is more than one other.
    pub fn build(mut self) -> Result<Keyring, KeyringError> {
        let other = self.others.pop();
        if !self.others.is_empty() {
            return Err(KeyringError::TooManyKeys);
        }
        if other.as_ref().map(MasterKey::id) == Some(self.primary.id()) {
            return Err(KeyringError::SameKey);
        }
        Ok(Keyring {
            primary: self.primary,
            other,
        })
    }
}

impl Keyring {
    /// A ring of one key.
    #[must_use]
    pub const fn new(primary: MasterKey) -> Self {
        Self {
            primary,
            other: None,
        }
    }

    /// A ring that seals with `primary`, and may have another live key too.
    #[must_use]
    pub const fn builder(primary: MasterKey) -> KeyringBuilder {
        KeyringBuilder {
            primary,
            others: Vec::new(),
        }
    }

    /// The key that seals.
    #[must_use]
    pub const fn primary(&self) -> KeyId {
        self.primary.id()
    }

    /// Seals `secret` for the row of `id`, under a data key and nonces from `entropy`. The result is 122
    /// bytes longer than the secret.
    ///
    /// # Errors
    /// [`KeyringError::Entropy`] when `entropy` has none to give.
    pub fn seal(
        &self,
        id: &SecretId,
        secret: &Secret,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, KeyringError> {
        let mut data_key = Zeroizing::new([0; 32]);
        entropy.fill(data_key.as_mut())?;
        let body = envelope::seal_data(id, secret, &data_key, entropy)?;
        Envelope::wrap(id, &self.primary, &data_key, &body, entropy)
    }

    /// Opens what [`Keyring::seal`] made for `id`.
    ///
    /// # Errors
    /// [`KeyringError::UnknownKey`] when its master key is not in the ring; [`KeyringError::Altered`] when
    /// it was sealed for another id or a byte of it changed; [`KeyringError::Truncated`] and
    /// [`KeyringError::UnknownFormat`] when it is not a sealed secret of this version.
    pub fn open(&self, id: &SecretId, sealed: &[u8]) -> Result<Secret, KeyringError> {
        let envelope = Envelope::read(sealed)?;
        let data_key = envelope.unwrap(id, self.key(envelope.key_id())?)?;
        envelope.open_data(id, &data_key)
    }

    /// Which master key `sealed` was sealed under; its first [`SEALED_HEADER`](Self::SEALED_HEADER) bytes are
    /// enough.
    ///
    /// # Errors
    /// [`KeyringError::Truncated`] or [`KeyringError::UnknownFormat`] when it is no sealed secret.
    pub fn key_id_of(sealed: &[u8]) -> Result<KeyId, KeyringError> {
        envelope::read_header(sealed).map(|(key, _)| key)
    }

    /// How many bytes of a sealed secret tell its format and its key.
    pub const SEALED_HEADER: usize = envelope::HEADER;

    /// What everything begins with that this ring seals: for a vault that looks for what begins otherwise.
    #[must_use]
    pub fn sealed_header(&self) -> [u8; Self::SEALED_HEADER] {
        envelope::header(self.primary.id())
    }

    /// Whether `sealed` is under another key than the primary one. False for what is no sealed secret:
    /// wrapping it again would not help.
    #[must_use]
    pub fn needs_rewrap(&self, sealed: &[u8]) -> bool {
        Self::key_id_of(sealed).is_ok_and(|key| key != self.primary.id())
    }

    /// Wraps the data key of `sealed` under the primary key. The secret itself is neither decrypted nor
    /// changed.
    ///
    /// # Errors
    /// As [`Keyring::open`] and [`Keyring::seal`], but a change to the encrypted secret, as opposed to its
    /// wrapped key, is not noticed here.
    pub fn rewrap(
        &self,
        id: &SecretId,
        sealed: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, KeyringError> {
        let envelope = Envelope::read(sealed)?;
        let data_key = envelope.unwrap(id, self.key(envelope.key_id())?)?;
        Envelope::wrap(id, &self.primary, &data_key, envelope.body(), entropy)
    }

    fn key(&self, id: KeyId) -> Result<&MasterKey, KeyringError> {
        [Some(&self.primary), self.other.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.id() == id)
            .ok_or(KeyringError::UnknownKey { key: id })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("primary", &self.primary.id())
            .field("other", &self.other.as_ref().map(MasterKey::id))
            .finish()
    }
}

/// Why a key was refused, or a secret not sealed or opened. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The text is neither 64 hex digits nor base64.
    #[error(
        "a master key must be 64 hex digits or base64 of 32 bytes; make one with `openssl rand -base64 32`"
    )]
    KeyText,
    /// The key has the wrong length.
    #[error(
        "a master key must be 32 bytes long, not {found}; make one with `openssl rand -base64 32`"
    )]
    KeyLength {
        /// The length found, in bytes.
        found: usize,
    },
    /// All bytes of the key are the same: a placeholder.
    #[error("this master key is a placeholder; make one with `openssl rand -base64 32`")]
    PlaceholderKey,
    /// The other key is the primary one.
    #[error("the two master keys are the same; leave one out")]
    SameKey,
    /// More than two keys.
    #[error(
        "there are more than two master keys, and two can be live: the one that seals and one other; end the \
         change of the key that is under way before you begin the next"
    )]
    TooManyKeys,
    /// Sealed under a key that is not in the ring.
    #[error(
        "the secret is sealed under master key {key}, which is not in the keyring; add that key as the \
         other one, or enter the secret again"
    )]
    UnknownKey {
        /// The key's id, as [`MasterKey::id`] gives it.
        key: KeyId,
    },
    /// Too short to be a sealed secret.
    #[error("the sealed secret is cut short; restore it from a backup, or enter the secret again")]
    Truncated,
    /// Sealed by a later version, or not a sealed secret.
    #[error(
        "the sealed secret has format {version} with algorithm {algorithm}, which this version does not \
         know; upgrade, or enter the secret again"
    )]
    UnknownFormat {
        /// The format's number.
        version: u8,
        /// The algorithm's number.
        algorithm: u8,
    },
    /// A byte changed, or the value was sealed for another owner or kind.
    #[error(
        "the sealed secret was altered, or belongs to another owner or kind; restore its row from a \
         backup, or enter the secret again"
    )]
    Altered,
    /// No randomness.
    #[error("no randomness to seal with")]
    Entropy(#[from] EntropyError),
    /// The secret is too long to encrypt (256 GiB).
    #[error("the secret is too long to seal")]
    TooLong,
}

#[cfg(test)]
mod tests;
