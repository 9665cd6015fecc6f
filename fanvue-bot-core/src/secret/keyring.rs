//! Seals secrets at rest.

/// Placeholder until the keyring lands in the next commit.
#[derive(Debug)]
#[non_exhaustive]
pub struct Keyring;
/// See [`Keyring`].
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyringBuilder;
/// See [`Keyring`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KeyId;
/// See [`Keyring`].
#[derive(Debug)]
#[non_exhaustive]
pub struct MasterKey;
/// See [`Keyring`].
#[derive(Debug, thiserror::Error)]
#[error("keyring")]
#[non_exhaustive]
pub struct KeyringError;
