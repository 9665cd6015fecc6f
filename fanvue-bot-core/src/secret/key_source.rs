//! Where master keys come from.

use std::fmt;

use async_trait::async_trait;

use super::{Keyring, KeyringError};

/// Brings the live master keys from where a deployment keeps them: a file, the environment, a key service.
///
/// Asked once, when a process starts; the keyring then goes into the vault. The library reads no file and no
/// environment variable by itself: the example `keys` has sources for both, and one for a key service that
/// unwraps a key which is stored wrapped.
#[async_trait]
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// The keyring: the key that seals, and during a change of the key one other.
    ///
    /// # Errors
    /// As [`KeySourceError`] says.
    async fn keyring(&self) -> Result<Keyring, KeySourceError>;
}

/// Why there is no keyring. Holds no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// There is no key where one was looked for.
    #[error("there is no master key at {place}")]
    Missing {
        /// Where, in words: a file's path, a variable's name, a key's name at the service.
        place: String,
    },
    /// Others than the deployment could have read the key.
    #[error("the master key at {place} is not safe: {why}")]
    Exposed {
        /// Where.
        place: String,
        /// Who could read it, and what to do about it.
        why: String,
    },
    /// What is there is no master key.
    #[error("the master key at {place} is refused")]
    Refused {
        /// Where.
        place: String,
        /// What the keyring said.
        source: KeyringError,
    },
    /// The source did not answer, or refused to.
    #[error("the master key at {place} could not be read")]
    Unavailable {
        /// Where.
        place: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
