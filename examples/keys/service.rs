//! Master keys from a key service, such as a cloud's: what is stored is the key wrapped by the service, and the
//! service unwraps it for a process that may ask. The service's own key never leaves it, each unwrapping is in its
//! log, and taking the right away makes every copy of the wrapped key useless.
//!
//! The requests here are those of the stand-in in `stand_in.rs`. Every cloud has its own, with its own
//! authentication: replace `unwrap`, and keep the rest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanvue_bot::secret::{KeySource, KeySourceError, Keyring, MasterKey, Secret};
use serde::{Deserialize, Serialize};

use crate::file;
use crate::source::ring;

/// A key service, and the files with the keys that it wrapped.
#[derive(Debug, Clone)]
pub(crate) struct ServiceKeys {
    service: Service,
    primary: PathBuf,
    other: Option<PathBuf>,
}

impl ServiceKeys {
    pub(crate) const fn new(service: Service, primary: PathBuf, other: Option<PathBuf>) -> Self {
        Self {
            service,
            primary,
            other,
        }
    }

    async fn read(&self, path: &Path) -> Result<MasterKey, KeySourceError> {
        let wrapped = file::text(path)?;
        let place = format!("{}, unwrapped by {}", path.display(), self.service.url);
        let wrapped = wrapped.expose_text().unwrap_or_default().trim();
        let key = self.service.unwrap(wrapped).await;
        let key = key.map_err(|error| KeySourceError::Unavailable {
            place: place.clone(),
            source: error.into(),
        })?;
        MasterKey::from_bytes(key.expose())
            .map_err(|source| KeySourceError::Refused { place, source })
    }
}

#[async_trait]
impl KeySource for ServiceKeys {
    async fn keyring(&self) -> Result<Keyring, KeySourceError> {
        let primary = self.read(&self.primary).await?;
        let other = match &self.other {
            Some(path) => Some(self.read(path).await?),
            None => None,
        };
        ring(primary, other, &self.primary.display().to_string())
    }
}

/// Asks a key service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    url: String,
    client: reqwest::Client,
}

/// What is sent and answered: bytes as base64.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bytes {
    pub(crate) bytes: String,
}

impl Service {
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// Has a key wrapped: what comes back can be stored.
    pub(crate) async fn wrap(&self, key: &Secret) -> anyhow::Result<String> {
        let bytes = STANDARD.encode(key.expose());
        Ok(self.ask("wrap", bytes).await?.bytes)
    }

    async fn unwrap(&self, wrapped: &str) -> anyhow::Result<Secret> {
        let answer = self.ask("unwrap", wrapped.to_owned()).await?;
        let text = Secret::new(answer.bytes);
        // The error of the decoder shows bytes of the key.
        let key = STANDARD.decode(text.expose());
        key.map(Secret::new)
            .map_err(|_| anyhow::anyhow!("the key service's answer is no base64"))
    }

    async fn ask(&self, what: &str, bytes: String) -> anyhow::Result<Bytes> {
        let response = self
            .client
            .post(format!("{}/{what}", self.url))
            .json(&Bytes { bytes })
            .send()
            .await
            .context("the key service did not answer")?;
        let status = response.status();
        anyhow::ensure!(
            status.is_success(),
            "the key service refused with status {status}; may this process use the key, and is it the \
             service that wrapped it?"
        );
        let answer = response.json().await;
        answer.map_err(|_| anyhow::anyhow!("the key service's answer is not of the form expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in;

    fn key(first: u8) -> MasterKey {
        let mut bytes = [7; 32];
        bytes[0] = first;
        MasterKey::from_bytes(&bytes).unwrap()
    }

    async fn service(root: u8) -> Service {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(stand_in::serve(listener, Keyring::new(key(root))));
        Service::new(&format!("http://{address}")).unwrap()
    }

    #[tokio::test]
    async fn what_the_service_wrapped_it_unwraps_and_no_other_does() {
        let service = service(1).await;
        let mut bytes = [9; 32];
        bytes[0] = 1;
        let wrapped = service.wrap(&Secret::new(bytes)).await.unwrap();
        assert!(!wrapped.contains(&STANDARD.encode(bytes)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.wrapped");
        file::write_new(&path, wrapped.as_bytes()).unwrap();

        let source = ServiceKeys::new(service, path.clone(), None);
        let ring = source.keyring().await.unwrap();
        assert_eq!(ring.primary(), MasterKey::from_bytes(&bytes).unwrap().id());

        let stranger = ServiceKeys::new(self::service(2).await, path, None);
        let error = anyhow::Error::from(stranger.keyring().await.unwrap_err());
        assert!(
            format!("{error:#}").contains("refused with status 403"),
            "{error:#}"
        );
    }
}
