//! Writing over whatever is stored, also over what does not open any more: a lost master key must not keep an
//! operator from entering a secret again.

use super::{Secret, SecretId, SecretVault, VaultError};
use crate::revision::Revision;

/// The revision of what is stored, if anything is, and what it says, if it opens.
pub(crate) async fn stored(
    vault: &dyn SecretVault,
    id: &SecretId,
) -> Result<(Option<Revision>, Option<Secret>), VaultError> {
    match vault.get(id).await {
        Ok(None) => Ok((None, None)),
        Ok(Some(stored)) => Ok((Some(stored.revision), Some(stored.value))),
        Err(VaultError::Sealed { revision, .. }) => Ok((Some(revision), None)),
        Err(error) => Err(error),
    }
}

/// Puts `secret` in place of what is stored, or where there is nothing.
pub(crate) async fn overwrite(
    vault: &dyn SecretVault,
    id: &SecretId,
    secret: &Secret,
) -> Result<(), VaultError> {
    loop {
        let (expected, _) = stored(vault, id).await?;
        match vault.put(id, secret, expected).await {
            Err(VaultError::Conflict) => {}
            outcome => return outcome.map(drop),
        }
    }
}

/// Erases what is stored. Idempotent.
pub(crate) async fn erase(vault: &dyn SecretVault, id: &SecretId) -> Result<(), VaultError> {
    while let (Some(revision), _) = stored(vault, id).await? {
        match vault.delete(id, revision).await {
            Err(VaultError::Conflict) => {}
            outcome => return outcome,
        }
    }
    Ok(())
}
