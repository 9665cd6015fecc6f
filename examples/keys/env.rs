//! Master keys from the environment.

use std::env::VarError;

use async_trait::async_trait;
use fanvue_bot::secret::{KeySource, KeySourceError, Keyring, KeyringError, MasterKey, Secret};

use crate::source::ring;

/// Each key in an environment variable. Whoever may look at the process can read it, and so can every process that
/// it starts: a file is better.
#[derive(Debug, Clone)]
pub(crate) struct EnvKeys {
    primary: String,
    other: Option<String>,
}

impl EnvKeys {
    /// The names of the variables: of the key that seals, and during a change of the key of the other live one.
    pub(crate) fn new(primary: impl Into<String>, other: Option<String>) -> Self {
        Self {
            primary: primary.into(),
            other,
        }
    }
}

#[async_trait]
impl KeySource for EnvKeys {
    async fn keyring(&self) -> Result<Keyring, KeySourceError> {
        let primary = read(&self.primary)?;
        let other = self.other.as_deref().map(read).transpose()?;
        ring(primary, other, &self.primary)
    }
}

fn read(name: &str) -> Result<MasterKey, KeySourceError> {
    let place = name.to_owned();
    let key = match std::env::var(name) {
        Ok(text) => MasterKey::from_text(Secret::new(text).expose_text().unwrap_or_default()),
        Err(VarError::NotPresent) => return Err(KeySourceError::Missing { place }),
        Err(VarError::NotUnicode(_)) => Err(KeyringError::KeyText),
    };
    key.map_err(|source| KeySourceError::Refused { place, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_variable_that_is_missing_or_no_key_is_named() {
        let error = EnvKeys::new("NO_SUCH_MASTER_KEY", None).keyring().await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "there is no master key at NO_SUCH_MASTER_KEY");
        // Set for every test run.
        let error = EnvKeys::new("CARGO_MANIFEST_DIR", None).keyring().await;
        assert!(matches!(error, Err(KeySourceError::Refused { .. })));
    }
}
