//! What vaults of all back ends say and read alike.

use fanvue_bot_core::secret::{KeyringError, SecretKind, VaultError};

/// What the keyring said, as the port puts it.
pub(crate) fn sealed_error(error: KeyringError) -> VaultError {
    match error {
        // Nothing is wrong with the secret: another try may find randomness.
        KeyringError::Entropy(error) => VaultError::unavailable(error),
        source => VaultError::Sealed { source },
    }
}

/// The kind of secret that is stored under this name.
pub(crate) fn secret_kind(name: &str) -> Option<SecretKind> {
    SecretKind::ALL
        .iter()
        .copied()
        .find(|kind| kind.as_str() == name)
}
