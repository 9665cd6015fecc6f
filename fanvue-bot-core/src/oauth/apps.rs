//! Whose OAuth app a grant is of: the deployment's, or one of the creator's or agency's own.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::fields;
use super::{GrantId, TokenError};
use crate::client::{AppCredentials, ClientSecret};
use crate::secret::{Fingerprint, Secret, SecretKind, SecretVault, VaultError, erase, overwrite};

/// The apps of a deployment: one for all, and those that creators and agencies have of their own.
///
/// An own app lies in the vault, sealed, under its owner's row. It is looked up when a code is exchanged and
/// when tokens are refreshed or revoked, so a change needs no restart. Clones share the vault.
///
/// Source: Fanvue API reference, section 11: an app is made and run by one developer, so credentials are never
/// shipped or shared.
#[derive(Clone)]
pub struct Apps {
    vault: Arc<dyn SecretVault>,
    deployment: App,
}

/// An OAuth app as registered at fanvue.com/developers/apps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// Its id and secret.
    pub credentials: AppCredentials,
    /// Where Fanvue sends browsers back to, byte for byte as registered with it; `None` for the authorizer's
    /// address.
    pub redirect_uri: Option<String>,
}

/// Whose app it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an app is somebody's own or for all"
)]
pub enum AppOwner {
    /// The deployment's, for all who have none of their own.
    Deployment,
    /// The creator's or agency's own.
    Own,
}

/// An app as it may be shown: its secret by a fingerprint alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppSummary {
    /// Whose it is.
    pub owner: AppOwner,
    /// The client id.
    pub client_id: Arc<str>,
    /// What the client secret is recognized by.
    pub secret: Fingerprint,
    /// Its own redirect address, if it has one.
    pub redirect_uri: Option<String>,
}

/// Why an app was not saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A field cannot be right. Quotes no value.
    #[error("{field} {problem}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it, and what to write instead.
        problem: &'static str,
    },
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

const CLIENT_ID: u8 = 1;
const CLIENT_SECRET: u8 = 2;
const REDIRECT_URI: u8 = 3;
/// The longest id, secret or address, in bytes: far more than any server gives.
const LONGEST: usize = 2_048;

impl App {
    /// An app whose browsers come back to the authorizer's address.
    #[must_use]
    pub const fn new(credentials: AppCredentials) -> Self {
        Self {
            credentials,
            redirect_uri: None,
        }
    }

    /// With a redirect address of its own.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(uri.into());
        self
    }

    fn check(&self) -> Result<(), AppError> {
        let texts = [
            ("client_id", Some(&*self.credentials.client_id)),
            (
                "client_secret",
                Some(self.credentials.client_secret.expose()),
            ),
            ("redirect_uri", self.redirect_uri.as_deref()),
        ];
        for (field, text) in texts {
            let Some(text) = text else { continue };
            let fits = (1..=LONGEST).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                return Err(AppError::Invalid {
                    field,
                    problem: "is empty, too long, or holds spaces or other characters that none has; \
                              copy it again",
                });
            }
        }
        if self.credentials.client_id.contains(':') {
            return Err(AppError::Invalid {
                field: "client_id",
                problem: "holds a colon, which no client id has; copy it again",
            });
        }
        match &self.redirect_uri {
            Some(uri) => {
                super::authorization::check_address(uri).map_err(|problem| AppError::Invalid {
                    field: "redirect_uri",
                    problem,
                })
            }
            None => Ok(()),
        }
    }

    fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let credentials = &self.credentials;
        let mut fields = vec![
            (CLIENT_ID, credentials.client_id.as_bytes()),
            (CLIENT_SECRET, credentials.client_secret.expose().as_bytes()),
        ];
        if let Some(uri) = &self.redirect_uri {
            fields.push((REDIRECT_URI, uri.as_bytes()));
        }
        fields::write(&fields)
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let (mut client_id, mut client_secret, mut redirect_uri) = (None, None, None);
        while let Some((tag, value)) = fields::take(&mut bytes).ok()? {
            let text = std::str::from_utf8(value).ok();
            match tag {
                CLIENT_ID => client_id = text.map(Arc::from),
                CLIENT_SECRET => client_secret = text.map(ClientSecret::new),
                REDIRECT_URI => redirect_uri = Some(text?.to_owned()),
                _ => {}
            }
        }
        Some(Self {
            credentials: AppCredentials {
                client_id: client_id?,
                client_secret: client_secret?,
            },
            redirect_uri,
        })
    }
}

impl Apps {
    pub(super) fn new(vault: Arc<dyn SecretVault>, credentials: AppCredentials) -> Self {
        Self {
            vault,
            deployment: App::new(credentials),
        }
    }

    /// The app by which the grant is asked for and kept alive.
    pub(super) async fn of(&self, grant: GrantId) -> Result<App, TokenError> {
        Ok(match self.own(grant).await? {
            Some(own) => own,
            None => self.deployment.clone(),
        })
    }

    async fn own(&self, grant: GrantId) -> Result<Option<App>, TokenError> {
        let Some(stored) = self
            .vault
            .get(&grant.secret(SecretKind::ClientSecret))
            .await?
        else {
            return Ok(None);
        };
        let app = App::from_bytes(stored.value.expose()).ok_or(TokenError::CorruptApp)?;
        Ok(Some(app))
    }

    /// Saves an app of the grant's own, in place of the one before, also if that does not open any more. Its secret is not shown again: later
    /// reads have a fingerprint.
    ///
    /// A new secret of the same app counts from the next refresh on. With another app the account has to be
    /// connected anew: tokens are of the app that they were issued to, work until they expire, and cannot be
    /// refreshed by another one.
    ///
    /// # Errors
    /// [`AppError::Invalid`] names the first field that cannot be right; nothing is saved then.
    pub async fn save(
        &self,
        grant: impl Into<GrantId> + Send,
        app: &App,
    ) -> Result<AppSummary, AppError> {
        app.check()?;
        let id = grant.into().secret(SecretKind::ClientSecret);
        let bytes = app.to_bytes().ok_or(AppError::Invalid {
            field: "app",
            problem: "is too large",
        })?;
        let secret = Secret::new(bytes.as_slice());
        overwrite(&*self.vault, &id, &secret).await?;
        Ok(summary(app, AppOwner::Own))
    }

    /// Goes back to the deployment's app. Idempotent.
    ///
    /// # Errors
    /// The vault's.
    pub async fn remove(&self, grant: impl Into<GrantId> + Send) -> Result<(), VaultError> {
        let id = grant.into().secret(SecretKind::ClientSecret);
        erase(&*self.vault, &id).await
    }

    /// Which app the grant is of, without its secret.
    ///
    /// # Errors
    /// [`TokenError::Vault`]; [`TokenError::CorruptApp`] if the stored app does not read back.
    pub async fn summary(
        &self,
        grant: impl Into<GrantId> + Send,
    ) -> Result<AppSummary, TokenError> {
        Ok(match self.own(grant.into()).await? {
            Some(own) => summary(&own, AppOwner::Own),
            None => summary(&self.deployment, AppOwner::Deployment),
        })
    }
}

fn summary(app: &App, owner: AppOwner) -> AppSummary {
    AppSummary {
        owner,
        client_id: Arc::clone(&app.credentials.client_id),
        secret: Fingerprint::of(app.credentials.client_secret.expose().as_bytes()),
        redirect_uri: app.redirect_uri.clone(),
    }
}

impl fmt::Debug for Apps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apps")
            .field("client_id", &self.deployment.credentials.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App::new(AppCredentials {
            client_id: "luna-app".into(),
            client_secret: ClientSecret::new("luna-app-secret"),
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        for app in [app(), app().redirect_uri("https://luna.example.com/cb")] {
            let bytes = app.to_bytes().unwrap();
            assert_eq!(App::from_bytes(&bytes), Some(app));
            assert_eq!(App::from_bytes(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(App::from_bytes(b""), None);
    }

    #[test]
    fn what_cannot_be_right_is_named_and_not_quoted() {
        let with = |id: &str, secret: &str| {
            App::new(AppCredentials {
                client_id: id.into(),
                client_secret: ClientSecret::new(secret),
            })
        };
        for (app, field) in [
            (with("", "s3cret"), "client_id"),
            (with("a:b", "s3cret"), "client_id"),
            (with("a", ""), "client_secret"),
            (with("a", "s3cret\n"), "client_secret"),
            (with("a", &"x".repeat(LONGEST + 1)), "client_secret"),
            (
                app().redirect_uri("http://luna.example.com/cb"),
                "redirect_uri",
            ),
            (app().redirect_uri(""), "redirect_uri"),
        ] {
            let error = app.check().unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
            assert!(!error.contains("s3cret") && !error.contains("luna"));
        }
        app().check().unwrap();
    }
}
