//! Secrets: the value type, the vault port, the keyring that seals them at rest, and the change of its key.

mod fingerprint;
mod key_source;
mod keyring;
mod overwrite;
mod rewrap;
mod rotation;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub use self::fingerprint::Fingerprint;
pub use self::key_source::{KeySource, KeySourceError};
pub use self::keyring::{KeyId, Keyring, KeyringBuilder, KeyringError, MasterKey};
pub(crate) use self::overwrite::{erase, overwrite, stored};
pub use self::rewrap::{Rewrap, Rewrapped, SealedUnder};
pub use self::rotation::{Rotation, RotationProgress, RotationReport, RotationStep};
use crate::id::{AgencyId, CreatorId};
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};

/// Bytes that must not be seen: no `Display`, no `Serialize`, a `Debug` that shows nothing, and memory
/// that is overwritten on drop.
///
/// What this cannot do: it does not reach copies that other code made, such as a buffer of the network
/// stack.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one place that must use them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whose secret it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a vault that does not know an owner must not compile: it would mix up their rows"
)]
pub enum SecretOwner {
    /// The deployment: an app that serves all its creators.
    Deployment,
    /// One creator.
    Creator(CreatorId),
    /// One agency, for all creators that its grant reaches.
    Agency(AgencyId),
}

impl fmt::Display for SecretOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment => f.write_str("deployment"),
            Self::Creator(id) => write!(f, "creator/{id}"),
            Self::Agency(id) => write!(f, "agency/{id}"),
        }
    }
}

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SecretKind {
    /// The access and refresh token of one grant, stored as one value so that they change together.
    TokenSet,
    /// An OAuth app's client secret.
    ClientSecret,
    /// The secret that webhooks are signed with.
    WebhookSecret,
    /// The webhook secret before the last rotation, still accepted.
    PreviousWebhookSecret,
    /// A connection that was begun and not ended: the code verifier, or tokens that wait for a yes.
    PendingAuthorization,
}

impl SecretKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::TokenSet,
        Self::ClientSecret,
        Self::WebhookSecret,
        Self::PreviousWebhookSecret,
        Self::PendingAuthorization,
    ];

    /// The name under which it is stored; never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenSet => "token_set",
            Self::ClientSecret => "client_secret",
            Self::WebhookSecret => "webhook_secret",
            Self::PreviousWebhookSecret => "previous_webhook_secret",
            Self::PendingAuthorization => "pending_authorization",
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which secret: whose, and what for. Not secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a secret is addressed by exactly this pair"
)]
pub struct SecretId {
    /// Whose.
    pub owner: SecretOwner,
    /// What for.
    pub kind: SecretKind,
}

impl SecretId {
    /// The secret of `kind` that belongs to `creator`.
    #[must_use]
    pub const fn of_creator(creator: CreatorId, kind: SecretKind) -> Self {
        Self {
            owner: SecretOwner::Creator(creator),
            kind,
        }
    }

    /// The secret of `kind` that belongs to `agency`.
    #[must_use]
    pub const fn of_agency(agency: AgencyId, kind: SecretKind) -> Self {
        Self {
            owner: SecretOwner::Agency(agency),
            kind,
        }
    }

    /// The secret of `kind` that belongs to the deployment.
    #[must_use]
    pub const fn of_deployment(kind: SecretKind) -> Self {
        Self {
            owner: SecretOwner::Deployment,
            kind,
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.kind)
    }
}

/// Keeps secrets, sealed at rest.
///
/// Every method is atomic and cancel-safe: a dropped future leaves the old value or the new one.
/// Reads see every write that has returned. A vault that persists takes its [`Keyring`] in its
/// constructor.
#[async_trait]
pub trait SecretVault: fmt::Debug + Send + Sync + 'static {
    /// The secret, opened, or `None` if there is none.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if the stored value does not open under the current keys for this id. It names the
    /// revision, so that a new secret can be put in its place and it can be removed.
    async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError>;

    /// Stores `secret`, durable when this returns. `expected` is the revision this replaces; `None`
    /// means that there must be none yet.
    ///
    /// # Errors
    /// [`VaultError::Conflict`] if the stored revision is another one; nothing is changed then.
    async fn put(
        &self,
        id: &SecretId,
        secret: &Secret,
        expected: Option<Revision>,
    ) -> Result<Revision, VaultError>;

    /// Removes the secret that was read at `expected`. One that is put later under the same id never has
    /// a revision that this one had, so whoever read the old one cannot replace the new one.
    ///
    /// # Errors
    /// [`VaultError::Conflict`] if the stored revision is another one, or there is none.
    async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError>;
}

/// Why a vault refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The stored revision is not the expected one.
    #[error("the secret was changed by someone else")]
    Conflict,
    /// The stored value does not open: its key is not in the keyring, or the row was altered or moved.
    #[error("the stored secret does not open with the keys at hand")]
    Sealed {
        /// The revision of what is stored, by which it can be replaced or removed without being opened.
        revision: Revision,
        /// What the keyring said.
        source: KeyringError,
    },
    /// The cursor is not one of this list's.
    #[error("the page cursor is not from this list; start again without one")]
    InvalidCursor,
    /// The vault did not answer.
    #[error("the secret vault is unavailable")]
    Unavailable {
        /// The adapter's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl VaultError {
    /// The vault did not answer because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// What is stored at `revision` could not be opened, or opened and sealed anew, because of `source`.
    pub fn not_opened(revision: Revision, source: KeyringError) -> Self {
        match source {
            // Nothing is wrong with the secret: another try may find randomness.
            KeyringError::Entropy(error) => Self::unavailable(error),
            source => Self::Sealed { revision, source },
        }
    }

    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Conflict => Retry::Reconcile,
            Self::Sealed { .. } | Self::InvalidCursor => Retry::Never,
            Self::Unavailable { .. } => Retry::Backoff,
        }
    }
}

macro_rules! forward_vault {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<V: SecretVault + ?Sized> SecretVault for $($pointer)::+<V> {
            async fn get(&self, id: &SecretId) -> Result<Option<Versioned<Secret>>, VaultError> {
                (**self).get(id).await
            }

            async fn put(
                &self,
                id: &SecretId,
                secret: &Secret,
                expected: Option<Revision>,
            ) -> Result<Revision, VaultError> {
                (**self).put(id, secret, expected).await
            }

            async fn delete(&self, id: &SecretId, expected: Revision) -> Result<(), VaultError> {
                (**self).delete(id, expected).await
            }
        }
    };
}
forward_vault!(Arc);
forward_vault!(Box);
