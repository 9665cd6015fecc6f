//! Access tokens: read from the vault, refreshed early, by one process at a time.

mod stored;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::stored::StoredTokens;
use crate::client::{
    AccessToken, AppCredentials, Auth, ClientError, FanvueClient, RefreshToken, TokenSet,
};
use crate::creator::Creator;
use crate::entropy::{Entropy, OsEntropy};
use crate::id::CreatorId;
use crate::retry::Retry;
use crate::revision::{Revision, Versioned};
use crate::secret::{Secret, SecretId, SecretKind, SecretVault, VaultError};
use crate::store::{HolderId, Lease, LeaseName, Store, StoreError};
use crate::time::{Clock, SystemClock};

/// Hands out access tokens. There is no second path to one.
///
/// A refresh token works once, and using it twice can revoke the whole grant. So a refresh takes a lease
/// for the grant, **reads the vault again**, refreshes, stores the new pair, and only then hands it out;
/// every other task and process finds the new pair in the vault.
///
/// Source: Fanvue API reference, section 1.5: refresh tokens are single use and rotate; the old one keeps
/// working for 30 s.
#[derive(Clone)]
pub struct TokenSource {
    vault: Arc<dyn SecretVault>,
    store: Arc<dyn Store>,
    client: Arc<dyn FanvueClient>,
    app: AppCredentials,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    early: Duration,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("client_id", &self.app.client_id)
            .finish_non_exhaustive()
    }
}

/// How long a refresh may hold its lease: longer than a client's timeout, and short enough that after a crash
/// in the middle the old token can be tried again within Fanvue's 30 s of grace.
const REFRESH_LEASE: Duration = Duration::from_secs(20);
/// How long to leave a refresh to whoever is at it.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// How often work that waits for a person to connect the account looks whether they have.
const RECONNECT_WAIT: Duration = Duration::from_secs(60);

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The creator's account is not connected, or has to be connected again: a person must act. The
    /// creator's work waits meanwhile.
    #[error("the creator's fanvue account has to be connected")]
    NotConnected,
    /// Another task or process is refreshing the token right now.
    #[error("the access token is being refreshed elsewhere")]
    Busy,
    /// The stored token set does not read back.
    #[error("the stored token set does not read back; connect the account again")]
    Corrupt,
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The lease could not be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] crate::entropy::EntropyError),
    /// Fanvue refused the refresh.
    #[error("the access token could not be refreshed")]
    Client {
        /// What it said.
        #[from]
        source: ClientError,
    },
}

impl TokenError {
    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NotConnected | Self::Corrupt => Retry::After(RECONNECT_WAIT),
            Self::Busy => Retry::After(BUSY_WAIT),
            Self::Vault(error) => error.retry(),
            Self::Store(error) => error.retry(),
            Self::Entropy(_) => Retry::Backoff,
            Self::Client { source } => source.retry(),
        }
    }
}

impl TokenSource {
    /// A token source for the grants of one app, with the system's clock.
    #[must_use]
    pub fn new(
        vault: Arc<dyn SecretVault>,
        store: Arc<dyn Store>,
        client: Arc<dyn FanvueClient>,
        app: AppCredentials,
    ) -> Self {
        Self {
            vault,
            store,
            client,
            app,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            early: Duration::from_secs(300),
        }
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Refreshing this long before a token expires. Default: 5 min.
    #[must_use]
    pub const fn refresh_early(mut self, early: Duration) -> Self {
        self.early = early;
        self
    }

    /// Stores what an authorization code was exchanged for.
    ///
    /// # Errors
    /// [`TokenError::Vault`]; the set is then not stored and must not be used.
    pub async fn connect(&self, creator: CreatorId, tokens: &TokenSet) -> Result<(), TokenError> {
        let id = SecretId::of_creator(creator, SecretKind::TokenSet);
        loop {
            let expected = self.vault.get(&id).await?.map(|stored| stored.revision);
            match self.put(&id, tokens, None, expected).await {
                Err(TokenError::Vault(VaultError::Conflict)) => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    /// A credential for the creator's chats, refreshed if it is about to expire.
    ///
    /// # Errors
    /// As [`TokenError`] says.
    pub async fn auth(&self, creator: &Creator) -> Result<Auth, TokenError> {
        let (id, tokens) = self.load(creator).await?;
        let now = self.clock.now();
        if now + self.early < tokens.value.expires_at {
            return Ok(auth(creator, &tokens.value));
        }
        match self.refresh(creator, &id, &tokens.value.access_token).await {
            // What is at hand still works.
            Err(error)
                if now < tokens.value.expires_at && !matches!(error, TokenError::NotConnected) =>
            {
                tracing::debug!(creator.id = %creator.id, error = %error, "early token refresh put off");
                Ok(auth(creator, &tokens.value))
            }
            outcome => outcome,
        }
    }

    /// A credential other than `rejected`, which Fanvue did not accept.
    ///
    /// # Errors
    /// As [`TokenError`] says.
    pub async fn renew(&self, creator: &Creator, rejected: &Auth) -> Result<Auth, TokenError> {
        let (id, tokens) = self.load(creator).await?;
        if tokens.value.access_token != rejected.token.expose() {
            return Ok(auth(creator, &tokens.value));
        }
        self.refresh(creator, &id, &tokens.value.access_token).await
    }

    async fn load(
        &self,
        creator: &Creator,
    ) -> Result<(SecretId, Versioned<StoredTokens>), TokenError> {
        let id = SecretId::of_creator(creator.id, SecretKind::TokenSet);
        let stored = self.vault.get(&id).await?.ok_or(TokenError::NotConnected)?;
        let tokens = StoredTokens::from_bytes(stored.value.expose()).ok_or(TokenError::Corrupt)?;
        if tokens.needs_reconnect {
            return Err(TokenError::NotConnected);
        }
        Ok((id, Versioned::new(tokens, stored.revision)))
    }

    /// Refreshes, unless somebody else has replaced `old` already.
    async fn refresh(
        &self,
        creator: &Creator,
        id: &SecretId,
        old: &str,
    ) -> Result<Auth, TokenError> {
        let lease = self.lease(creator.id).await?;
        let outcome = self.refresh_held(creator, id, old).await;
        // If this fails, the lease lapses by itself.
        if let Err(error) = self.store.release_lease(lease).await {
            tracing::warn!(creator.id = %creator.id, error = %error, "the refresh lease could not be given back");
        }
        outcome
    }

    async fn refresh_held(
        &self,
        creator: &Creator,
        id: &SecretId,
        old: &str,
    ) -> Result<Auth, TokenError> {
        let (_, tokens) = self.load(creator).await?;
        if tokens.value.access_token != old {
            return Ok(auth(creator, &tokens.value));
        }
        let Some(refresh_token) = tokens.value.refresh_token.clone().map(RefreshToken::new) else {
            return Err(self.disconnect(creator, id, &tokens).await);
        };
        match self.client.refresh_tokens(&self.app, &refresh_token).await {
            Ok(fresh) => {
                self.put(id, &fresh, Some(&tokens.value), Some(tokens.revision))
                    .await?;
                tracing::info!(creator.id = %creator.id, "access token refreshed");
                Ok(Auth {
                    token: fresh.access_token,
                    reach: creator.reach,
                })
            }
            Err(ClientError::InvalidGrant) => {
                // Whoever lost a race sees the winner's pair here.
                let (_, again) = self.load(creator).await?;
                if again.value.access_token != old {
                    return Ok(auth(creator, &again.value));
                }
                Err(self.disconnect(creator, id, &again).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn lease(&self, creator: CreatorId) -> Result<Lease, TokenError> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random)?;
        let holder = HolderId::new(format!("refresh/{:032x}", u128::from_le_bytes(random)));
        let name = LeaseName::new(format!("token/{creator}"));
        self.store
            .acquire_lease(&name, &holder, self.clock.now(), REFRESH_LEASE)
            .await?
            .ok_or(TokenError::Busy)
    }

    /// Records that a person has to connect the account again.
    async fn disconnect(
        &self,
        creator: &Creator,
        id: &SecretId,
        tokens: &Versioned<StoredTokens>,
    ) -> TokenError {
        let dead = StoredTokens {
            access_token: tokens.value.access_token.clone(),
            refresh_token: None,
            expires_at: tokens.value.expires_at,
            scopes: tokens.value.scopes.clone(),
            needs_reconnect: true,
        };
        tracing::error!(creator.id = %creator.id, "fanvue refused the refresh token: the account has to be connected again");
        match self.write(id, &dead, Some(tokens.revision)).await {
            Ok(_) => TokenError::NotConnected,
            Err(error) => error,
        }
    }

    async fn put(
        &self,
        id: &SecretId,
        fresh: &TokenSet,
        before: Option<&StoredTokens>,
        expected: Option<Revision>,
    ) -> Result<Revision, TokenError> {
        let tokens = StoredTokens {
            access_token: fresh.access_token.expose().to_owned(),
            refresh_token: fresh
                .refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned())
                .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone())),
            expires_at: self.clock.now() + fresh.expires_in,
            scopes: fresh
                .scopes
                .clone()
                .or_else(|| before.map(|tokens| tokens.scopes.clone()))
                .unwrap_or_default(),
            needs_reconnect: false,
        };
        self.write(id, &tokens, expected).await
    }

    async fn write(
        &self,
        id: &SecretId,
        tokens: &StoredTokens,
        expected: Option<Revision>,
    ) -> Result<Revision, TokenError> {
        let bytes = tokens.to_bytes().ok_or(TokenError::Corrupt)?;
        Ok(self
            .vault
            .put(id, &Secret::new(bytes.as_slice()), expected)
            .await?)
    }
}

fn auth(creator: &Creator, tokens: &StoredTokens) -> Auth {
    Auth {
        token: AccessToken::new(tokens.access_token.clone()),
        reach: creator.reach,
    }
}
