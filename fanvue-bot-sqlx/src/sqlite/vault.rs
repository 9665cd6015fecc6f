//! The vault: secrets sealed by core's keyring, in the same file.

use fanvue_bot_core::secret::{SecretId, SecretOwner};

/// Whose secret it is, as a column: nothing for the deployment.
pub(super) fn owner(id: &SecretId) -> Vec<u8> {
    match id.owner {
        SecretOwner::Creator(creator) => creator.as_uuid().into_bytes().to_vec(),
        _ => Vec::new(),
    }
}
