//! Where the master keys come from, as the command line says.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fanvue_bot::secret::{KeySource, KeySourceError, Keyring, MasterKey};

use crate::env::EnvKeys;
use crate::file::KeyFiles;
use crate::service::{Service, ServiceKeys};

/// The key that seals, and during a change of the key the other live one: from files, from the environment, or from a
/// key service.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The file of the key that seals.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["key_env", "key_service"])]
    key_file: Option<PathBuf>,
    /// The file of the other live key.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    other_key_file: Option<PathBuf>,
    /// The environment variable of the key that seals.
    #[arg(long, value_name = "NAME", conflicts_with = "key_file")]
    key_env: Option<String>,
    /// The environment variable of the other live key.
    #[arg(long, value_name = "NAME", requires = "key_env")]
    other_key_env: Option<String>,
    /// The address of the key service that unwraps the keys.
    #[arg(long, value_name = "URL", requires = "wrapped_key", conflicts_with_all = ["key_file", "key_env"])]
    key_service: Option<String>,
    /// The file of the wrapped key that seals.
    #[arg(long, value_name = "FILE", requires = "key_service")]
    wrapped_key: Option<PathBuf>,
    /// The file of the other live key, wrapped.
    #[arg(long, value_name = "FILE", requires = "key_service")]
    other_wrapped_key: Option<PathBuf>,
}

impl Options {
    pub(crate) fn source(self) -> anyhow::Result<Arc<dyn KeySource>> {
        if let Some(path) = self.key_file {
            return Ok(Arc::new(KeyFiles::new(path, self.other_key_file)));
        }
        if let Some(name) = self.key_env {
            return Ok(Arc::new(EnvKeys::new(name, self.other_key_env)));
        }
        let (Some(url), Some(wrapped)) = (self.key_service, self.wrapped_key) else {
            anyhow::bail!("name the keys: --key-file, --key-env, or --key-service");
        };
        let service = Service::new(&url)?;
        let keys = ServiceKeys::new(service, wrapped, self.other_wrapped_key);
        Ok(Arc::new(keys))
    }
}

/// The keyring of these keys, which are at `place`.
pub(crate) fn ring(
    primary: MasterKey,
    other: Option<MasterKey>,
    place: &str,
) -> Result<Keyring, KeySourceError> {
    let mut builder = Keyring::builder(primary);
    if let Some(other) = other {
        builder = builder.other(other);
    }
    builder.build().map_err(|source| KeySourceError::Refused {
        place: place.to_owned(),
        source,
    })
}
